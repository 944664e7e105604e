// A memif port with honest peers: sizes, chains, rings, queues, sockets, coming and going.
#include <sys/stat.h>

#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("frames arrive whole for any sizes of rings and buffers, at every place of the ring") {
  struct Case {
    uint8_t log2_ring;
    uint32_t from_buffer;
    uint32_t to_buffer;
    size_t length;
  };
  const Case cases[] = {
      {1, 2048, 2048, 64},   {3, 64, 2048, 64},     {3, 2048, 64, 64},  {3, 100, 64, 100},
      {4, 64, 100, 333},     {5, 100, 64, 1518},    {6, 256, 64, 3000}, {8, 256, 100, 9018},
      {10, 300, 256, 65535}, {14, 2048, 512, 9018},
  };
  for (const Case& one : cases) {
    const expect::Row row("2^" + std::to_string(one.log2_ring) + " slots, " +
                          std::to_string(one.from_buffer) + " to " + std::to_string(one.to_buffer) +
                          " bytes, frame of " + std::to_string(one.length));
    Fixture fixture;
    const PortId a = fixture.add_port("a", {.interface = {.log2_ring_size = 14}});
    fixture.add_port("b", {.interface = {.log2_ring_size = 14}});
    Station from(fixture.socket("a"),
                 {.log2_ring_size = one.log2_ring, .buffer_size = one.from_buffer});
    Station to(fixture.socket("b"),
               {.log2_ring_size = one.log2_ring, .buffer_size = one.to_buffer});
    // More frames than slots: the chains begin at every position there is.
    const int rounds = std::min(3 << one.log2_ring, 200);
    for (int i = 0; i < rounds; ++i) {
      const Bytes sent = frame(2, 1, one.length, static_cast<uint8_t>(i));
      EXPECT_SOON(from.send(sent));
      EXPECT(to.expect_frame() == sent);
    }
    EXPECT_EQ(fixture.count(a, &PortCounters::rx_frames), rounds);
    EXPECT_EQ(fixture.count(a, &PortCounters::rx_bytes),
              static_cast<uint64_t>(rounds) * one.length);
    EXPECT_SOON(fixture.imbalance() == 0);
  }
}

TEST("a frame longer than all of the receiver's buffers is dropped: no_room") {
  Fixture fixture;
  fixture.add_port("a");
  const PortId b = fixture.add_port("b");
  Station from(fixture.socket("a"));
  Station to(fixture.socket("b"), {.log2_ring_size = 2, .buffer_size = 64});
  EXPECT(from.send(frame(2, 1, 300)));
  EXPECT_SOON(fixture.drops(b, Drop::kNoRoom) == 1);
  EXPECT(from.send(frame(2, 1, 256)));
  EXPECT(to.expect_frame() == frame(2, 1, 256));
  EXPECT_SOON(fixture.imbalance() == 0);
}

TEST("several queues: each is received from") {
  for (const size_t workers : {size_t{1}, size_t{3}}) {
    const expect::Row row(std::to_string(workers) + " workers");
    Fixture fixture(workers);
    const PortId a = fixture.add_port("a", {.interface = {.queues = 4}});
    fixture.add_port("b", {.interface = {.queues = 2}});
    Station from(fixture.socket("a"), {.queues = 8});
    Station to(fixture.socket("b"), {.queues = 2});
    EXPECT_EQ(fixture.state(a).queues, 4);
    for (size_t queue = 0; queue < 4; ++queue) {
      const Bytes sent = frame(2, 1, 100 + queue);
      EXPECT(from.send(sent, queue));
      std::optional<Bytes> got;
      EXPECT_SOON((got = to.receive(0)).has_value() || (got = to.receive(1)).has_value());
      EXPECT(*got == sent);
    }
  }
}

TEST(
    "several ids on one socket; an unknown one, one in use and a wrong secret are refused in "
    "words") {
  Fixture fixture;
  const std::string socket = fixture.socket("shared");
  const PortId first = fixture.add_port("", {.place = {.socket = socket, .id = 1}});
  const PortId second = fixture.add_port(
      "", {.place = {.socket = socket, .id = 2}, .interface = {.secret = "open sesame"}});
  Station one(socket, {.id = 1});
  EXPECT_EQ(one.refusal(), "");
  EXPECT_CONTAINS(Station(socket, {.id = 1}).refusal(), "in use");
  EXPECT_CONTAINS(Station(socket, {.id = 3}).refusal(), "no port has id 3");
  EXPECT_CONTAINS(Station(socket, {.id = 2}).refusal(), "wrong secret");
  EXPECT_CONTAINS(Station(socket, {.id = 2, .secret = "open sesam"}).refusal(), "wrong secret");
  Station two(socket, {.id = 2, .secret = "open sesame"});
  EXPECT_EQ(two.refusal(), "");
  EXPECT(fixture.state(first).link);
  EXPECT(fixture.state(second).link);
  PortId twin = kNoPort;
  EXPECT_EQ(
      fixture.sw.add_port({.bridge = fixture.bridge, .place = {.socket = socket, .id = 1}}, twin)
          .code,
      Code::kInUse);
}

TEST("a peer that closes, or is closed upon, may come again at once") {
  Fixture fixture;
  const PortId a = fixture.add_port("a");
  for (uint32_t round = 1; round <= 20; ++round) {
    Station station(fixture.socket("a"));
    EXPECT_EQ(station.refusal(), "");
    EXPECT_EQ(fixture.state(a).attaches, round);
    station.send(frame(2, 1));
  }
  EXPECT_SOON(!fixture.state(a).link);
  EXPECT_SOON(fixture.imbalance() == 0);
}

TEST("a removed port tells its peer why, and its number and counters start anew") {
  Fixture fixture;
  const PortId a = fixture.add_port("a");
  Station station(fixture.socket("a"));
  EXPECT(station.send(frame(2, 1)));
  EXPECT_SOON(fixture.count(a, &PortCounters::rx_frames) == 1);
  EXPECT(fixture.sw.remove_port(a).ok());
  EXPECT_CONTAINS(station.farewell(), "removed");
  EXPECT(::access(fixture.socket("a").c_str(), F_OK) != 0);
  PortId again = kNoPort;
  EXPECT_SOON((again = fixture.add_port("a")) == a || !fixture.sw.remove_port(again).ok());
  EXPECT_EQ(fixture.count(a, &PortCounters::rx_frames), 0);
}

TEST("a stale socket file is taken over; a live one and another kind of file are not") {
  Fixture fixture;
  const std::string path = fixture.socket("stale");
  {
    const UniqueFd dead = memif::new_socket();
    const memif::Address address(path);
    EXPECT_EQ(::bind(dead.get(), address.get(), address.length), 0);
  }
  fixture.add_port("stale");
  EXPECT_EQ(Station(path).refusal(), "");

  Fixture other;
  PortId port = kNoPort;
  EXPECT_EQ(other.sw.add_port({.bridge = other.bridge, .place = {.socket = path}}, port).code,
            Code::kInUse);
  EXPECT_EQ(
      other.sw.add_port({.bridge = other.bridge, .place = {.socket = "/etc/passwd"}}, port).code,
      Code::kExists);
  EXPECT_EQ(
      other.sw.add_port({.bridge = other.bridge, .place = {.socket = "/no/such/folder/x"}}, port)
          .code,
      Code::kSystem);
  EXPECT_EQ(Station(path).refusal(), "");  // the first still serves it
}

TEST("a port as a client attaches when its server appears, and again when it comes back") {
  Fixture fixture;
  const PortId client = fixture.add_port("x", {.is_client = true});
  EXPECT(!fixture.state(client).link);
  for (int round = 0; round < 2; ++round) {
    Fixture server;
    PortId port = kNoPort;
    EXPECT(server.sw
               .add_port({.bridge = server.bridge, .place = {.socket = fixture.socket("x")}}, port)
               .ok());
    const PortId far = server.add_port("far");
    Station station(server.socket("far"));
    EXPECT_SOON(fixture.state(client).link);
    EXPECT_SOON(server.state(port).link);
    fixture.add_port("near" + std::to_string(round));
    Station near(fixture.socket("near" + std::to_string(round)));
    EXPECT(near.send(frame(2, 1, 3000)));
    EXPECT(station.expect_frame() == frame(2, 1, 3000));
    EXPECT(station.send(frame(1, 2, 3000)));
    EXPECT(near.expect_frame() == frame(1, 2, 3000));
    EXPECT(far != kNoPort);
  }
  EXPECT_SOON(!fixture.state(client).link);
}

TEST("an idle worker sleeps, and wakes for a frame") {
  Fixture fixture;
  fixture.add_port("a");
  fixture.add_port("b");
  Station from(fixture.socket("a"));
  Station to(fixture.socket("b"));
  for (int i = 0; i < 20; ++i) {
    const uint64_t sleeps = fixture.sw.workers().counters(0).sleeps.get();
    EXPECT_SOON(memif::wants_doorbell(from.link().tx[0]));
    EXPECT(from.send(frame(2, 1)));
    EXPECT(to.expect_frame() == frame(2, 1));
    EXPECT_SOON(fixture.sw.workers().counters(0).sleeps.get() > sleeps);
  }
}

TEST("close says goodbye, may be called again, and refuses what comes after") {
  Fixture fixture;
  fixture.add_port("a");
  Station station(fixture.socket("a"));
  fixture.sw.close();
  fixture.sw.close();
  EXPECT_CONTAINS(station.farewell(), "closing");
  PortId port = kNoPort;
  EXPECT_EQ(fixture.sw.add_port({.bridge = fixture.bridge, .place = {.socket = "@x"}}, port).code,
            Code::kClosed);
  EXPECT(fixture.sw.port_states().empty());
}

TEST("an MTU bounds frames both ways, with a reason for each, and may change on a live port") {
  Fixture fixture;
  const PortId a = fixture.add_port("a");
  const PortId b = fixture.add_port("b", {.max_frame = 100 + kMtuAllowance});
  const PortId c = fixture.add_port("c");
  Station sa(fixture.socket("a"));
  Station sb(fixture.socket("b"), {.buffer_size = 64});
  Station sc(fixture.socket("c"));
  EXPECT(sa.send(frame(0xff, 1, 119)));
  EXPECT(sc.expect_frame() == frame(0xff, 1, 119));
  EXPECT_SOON(fixture.drops(b, Drop::kTooLong) == 1);
  EXPECT(sa.send(frame(0xff, 1, 118)));
  EXPECT(sb.expect_frame() == frame(0xff, 1, 118));
  EXPECT(sc.expect_frame() == frame(0xff, 1, 118));
  EXPECT(sb.send(frame(1, 2, 119)));
  EXPECT_SOON(fixture.drops(b, Drop::kOversize) == 1);
  EXPECT(fixture.sw.set_port(b, fixture.bridge, 0, 119).ok());
  EXPECT(sb.send(frame(1, 2, 119)));
  EXPECT(sa.expect_frame() == frame(1, 2, 119));
  EXPECT(sa.send(frame(2, 1, 119)));
  EXPECT(sb.expect_frame() == frame(2, 1, 119));
  EXPECT_EQ(fixture.drops(a, Drop::kTooLong) + fixture.drops(c, Drop::kTooLong), 0);
  EXPECT_SOON(fixture.imbalance() == 0);
}

TEST("rings laid out by cache lines of 64 and of 128 bytes are told apart by their places") {
  struct Case {
    uint8_t line;  // of the client
    uint8_t told;  // to the port; 0: nothing
    uint16_t queues;
    uint8_t log2_ring;
  };
  const Case cases[] = {{64, 0, 1, 10}, {64, 0, 4, 1},    {128, 0, 1, 10}, {128, 0, 4, 1},
                        {128, 0, 2, 4}, {128, 128, 1, 8}, {64, 64, 3, 8}};
  for (const Case& one : cases) {
    const expect::Row row(std::to_string(one.line) + " bytes, told " + std::to_string(one.told) +
                          ", " + std::to_string(one.queues) + " queues of 2^" +
                          std::to_string(one.log2_ring));
    Fixture fixture;
    fixture.add_port("a", {.interface = {.queues = 4, .cache_line = one.told}});
    fixture.add_port("b");
    Station a(fixture.socket("a"),
              {.queues = one.queues, .log2_ring_size = one.log2_ring, .cache_line = one.line});
    EXPECT_EQ(a.refusal(), "");
    Station b(fixture.socket("b"));
    for (uint8_t i = 0; i < 40; ++i) {
      const Bytes there = frame(2, 1, 3000, i);
      const Bytes back = frame(1, 2, 64, i);
      EXPECT_SOON(a.send(there, i % one.queues));
      EXPECT(b.expect_frame() == there);
      EXPECT(b.send(back));
      EXPECT(a.expect_frame() == back);
    }
  }
}

TEST("a port's own way of polling goes before its worker's") {
  for (const Polling workers_way : {Polling::kBusy, Polling::kAdaptive}) {
    const expect::Row row(workers_way == Polling::kBusy ? "busy worker" : "adaptive worker");
    Fixture fixture(1, {}, workers_way);
    const Counter& sleeps = fixture.sw.workers().counters(0).sleeps;
    fixture.add_port("asleep", {.polling = Polling::kInterrupt});
    Station asleep(fixture.socket("asleep"));
    EXPECT_SOON(memif::wants_doorbell(asleep.link().tx[0]));
    fixture.add_port("awake", {.polling = Polling::kBusy});
    Station awake(fixture.socket("awake"));
    EXPECT_SOON(!memif::wants_doorbell(awake.link().tx[0]));
    const uint64_t slept = sleeps.get();
    EXPECT(asleep.send(frame(2, 1)));
    EXPECT(awake.expect_frame() == frame(2, 1));
    EXPECT(awake.send(frame(1, 2)));
    EXPECT(asleep.expect_frame() == frame(1, 2));
    EXPECT_SOON(memif::wants_doorbell(asleep.link().tx[0]));
    EXPECT(!memif::wants_doorbell(awake.link().tx[0]));
    EXPECT_EQ(sleeps.get(), slept);
  }
}

namespace {

// An IP packet: what a frame has behind its Ethernet header, with the version in its first byte.
Bytes ip_packet(size_t length, uint8_t version, uint8_t seed = 0) {
  Bytes bytes = frame(0, 0, length + 14, seed);
  bytes.erase(bytes.begin(), bytes.begin() + 14);
  if (!bytes.empty()) {
    bytes[0] = static_cast<uint8_t>(version << 4 | 5);
  }
  return bytes;
}

Bytes framed(const Bytes& packet, uint8_t to, uint8_t from) {
  Bytes bytes = frame(to, from, 14);
  bytes[12] = packet[0] >> 4 == 6 ? 0x86 : 0x08;
  bytes[13] = packet[0] >> 4 == 6 ? 0xdd : 0x00;
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  return bytes;
}

}  // namespace

TEST("a port of mode ip carries packets to and from stations, in any pieces") {
  const memif::Interface ip{.mode = memif::Mode::kIp};
  for (const uint32_t buffer : {64U, 100U, 2048U}) {
    for (const size_t length : {size_t{1}, size_t{20}, size_t{49}, size_t{50}, size_t{51},
                                size_t{63}, size_t{64}, size_t{65}, size_t{1500}, size_t{9000}}) {
      const expect::Row row(std::to_string(length) + " bytes in buffers of " +
                            std::to_string(buffer));
      Fixture fixture;
      fixture.add_port("l3", {.interface = ip, .station = IpStation{mac(1), mac(2)}});
      fixture.add_port("l2");
      Station l3(fixture.socket("l3"), {.buffer_size = buffer, .mode = memif::Mode::kIp});
      EXPECT_EQ(l3.refusal(), "");
      Station l2(fixture.socket("l2"), {.buffer_size = buffer});
      // Several at once, so that the frames of a burst share its pieces.
      for (uint8_t i = 0; i < 4; ++i) {
        EXPECT(l3.send(ip_packet(length + i, i % 2 == 0 ? 4 : 6, i)));
      }
      for (uint8_t i = 0; i < 4; ++i) {
        EXPECT(l2.expect_frame() == framed(ip_packet(length + i, i % 2 == 0 ? 4 : 6, i), 2, 1));
      }
      for (uint8_t i = 0; i < 4; ++i) {
        EXPECT(l2.send(framed(ip_packet(length + i, 4, i), i % 2 == 0 ? 1 : 0xff, 2)));
      }
      for (uint8_t i = 0; i < 4; ++i) {
        EXPECT(l3.expect_frame() == ip_packet(length + i, 4, i));
      }
      EXPECT_SOON(fixture.imbalance() == 0);
    }
  }
}

TEST("a port of mode ip drops what is no IP packet for it, and takes no peer of mode ethernet") {
  Fixture fixture;
  const PortId l3 = fixture.add_port(
      "l3", {.interface = {.mode = memif::Mode::kIp}, .station = IpStation{mac(1), mac(2)}});
  fixture.add_port("l2");
  EXPECT_CONTAINS(Station(fixture.socket("l3")).refusal(), "mode must be ip");
  Station peer(fixture.socket("l3"), {.mode = memif::Mode::kIp});
  Station l2(fixture.socket("l2"));
  EXPECT(peer.send(ip_packet(40, 7)));
  EXPECT(peer.send(Bytes()));
  EXPECT_SOON(fixture.drops(l3, Drop::kRunt) == 2);
  Bytes arp = frame(0xff, 2);
  arp[13] = 0x06;
  EXPECT(l2.send(arp));
  EXPECT(l2.send(frame(9, 2)));  // IP, but to somebody else
  EXPECT_SOON(fixture.drops(l3, Drop::kNotIp) == 2);
  EXPECT(!peer.receive().has_value());
  EXPECT_SOON(fixture.imbalance() == 0);
}
