// Tunnels over the host's own stack (switches of this process and plain UDP sockets, at addresses of the loopback network)
// and over a port of the switch, with the other end at its memif.
#include "ports/vxlan.h"

#include <arpa/inet.h>

#include <functional>

#include "test/native/fixture.h"
#include "vxlan/decapsulate.h"
#include "vxlan/encapsulate.h"
#include "vxlan/neighbor.h"
#include "vxlan/wire.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

IpAddress ip(const char* text) {
  IpAddress address;
  EXPECT(IpAddress::parse(text, address));
  return address;
}

// A port that no other test run has.
uint16_t udp_port() {
  return static_cast<uint16_t>(20'000 + ::getpid() % 10'000);
}

VxlanOptions tunnel(const char* local, std::initializer_list<const char*> remotes,
                    uint32_t vni = 7) {
  VxlanOptions options{.vni = vni, .vtep = {.local = ip(local), .port = udp_port()}};
  for (const char* remote : remotes) {
    options.remotes.push_back(ip(remote));
  }
  return options;
}

// A switch with one station, at port "a", and tunnels.
struct Site {
  explicit Site(VxlanOptions options, size_t workers = 1) : fixture(workers) {
    a = fixture.add_port("a");
    t = add(std::move(options));
    station.emplace(fixture.socket("a"));
    EXPECT_EQ(station->refusal(), "");
  }
  PortId add(VxlanOptions options, uint16_t bridge = 0) {
    return fixture.add_port("", {.bridge = bridge, .vxlan = std::move(options)});
  }
  RemoteStatus remote(const char* address) {
    for (const TunnelStatus& tunnel : fixture.sw.tunnels()) {
      for (const RemoteStatus& remote : tunnel.remotes) {
        if (remote.address == ip(address)) {
          return remote;
        }
      }
    }
    return {};
  }

  Fixture fixture;
  PortId a = kNoPort;
  PortId t = kNoPort;
  std::optional<Station> station;
};

// A VTEP by hand.
struct Peer {
  explicit Peer(const char* local)
      : socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_storage name;
    const socklen_t length = socket_address(ip(local), udp_port(), name);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  }
  void send(const char* to, const Bytes& payload) {
    sockaddr_storage name;
    const socklen_t length = socket_address(ip(to), udp_port(), name);
    EXPECT_EQ(::sendto(socket.get(), payload.data(), payload.size(), 0,
                       reinterpret_cast<sockaddr*>(&name), length),
              static_cast<ssize_t>(payload.size()));
  }
  std::optional<Bytes> receive() {
    Bytes payload(65536);
    const ssize_t got = ::recv(socket.get(), payload.data(), payload.size(), 0);
    if (got < 0) {
      return std::nullopt;
    }
    payload.resize(static_cast<size_t>(got));
    return payload;
  }
  Bytes expect_payload() {
    std::optional<Bytes> payload;
    EXPECT_SOON((payload = receive()).has_value());
    return *payload;
  }
  UniqueFd socket;
};

Bytes with_header(uint32_t vni, const Bytes& frame, uint8_t flags = 0x08) {
  Bytes payload(8 + frame.size());
  payload[0] = flags;
  payload[4] = static_cast<uint8_t>(vni >> 16);
  payload[5] = static_cast<uint8_t>(vni >> 8);
  payload[6] = static_cast<uint8_t>(vni);
  std::ranges::copy(frame, payload.begin() + 8);
  return payload;
}

}  // namespace

TEST("vxlan: two switches share an Ethernet; what was flooded first is learned") {
  for (const bool checksum : {true, false}) {
    const expect::Row row(checksum ? "with checksums" : "without checksums");
    VxlanOptions one = tunnel("127.0.0.1", {"127.0.0.2"});
    VxlanOptions two = tunnel("127.0.0.2", {"127.0.0.1"});
    one.vtep.udp_checksum = two.vtep.udp_checksum = checksum;
    Site left(one);
    Site right(two);
    for (const size_t length : {14, 60, 64, 65, 1514, 9014, 60000}) {
      const expect::Row size(std::to_string(length) + " bytes");
      EXPECT_SOON(left.station->send(frame(2, 1, length)));
      EXPECT(right.station->expect_frame() == frame(2, 1, length));
      EXPECT_SOON(right.station->send(frame(1, 2, length)));
      EXPECT(left.station->expect_frame() == frame(1, 2, length));
    }
    EXPECT_EQ(left.fixture.state(left.t).macs, 1);
    const RemoteStatus seen = left.remote("127.0.0.2");
    EXPECT(seen.configured);
    EXPECT(seen.reachable);
    EXPECT_EQ(seen.macs, 1);
    EXPECT_EQ(seen.rx_frames, 7);
    EXPECT_EQ(seen.tx_frames, 7);
    EXPECT_EQ(seen.rx_bytes, seen.tx_bytes);
    EXPECT(seen.heard_s >= 0);
    EXPECT_SOON(left.fixture.imbalance() == 0);
    EXPECT_SOON(right.fixture.imbalance() == 0);
  }
}

TEST("vxlan: bursts of several flows and sizes arrive whole, each flow in its order") {
  Site left(tunnel("127.0.0.1", {"127.0.0.2"}));
  Site right(tunnel("127.0.0.2", {"127.0.0.1"}));
  // Not IP: then a flow is a pair of addresses, whatever follows.
  const auto of_flow = [](uint8_t flow, uint8_t number) {
    Bytes sent = frame(2, static_cast<uint8_t>(10 + flow), 60 + number % 3 * 500U, number);
    sent[12] = 0x88;
    sent[13] = 0xb5;
    return sent;
  };
  constexpr uint8_t kFlows = 5;
  constexpr uint8_t kFrames = 200;
  std::vector<uint8_t> expected(kFlows);
  size_t arrived = 0;
  const auto take = [&] {
    while (const std::optional<Bytes> got = right.station->receive()) {
      const uint8_t flow = static_cast<uint8_t>((*got)[11] - 10);
      EXPECT(flow < kFlows);
      const uint8_t number = expected[flow]++;
      EXPECT(*got == of_flow(flow, number));
      ++arrived;
    }
  };
  for (uint8_t number = 0; number < kFrames; ++number) {
    for (uint8_t flow = 0; flow < kFlows; ++flow) {
      EXPECT_SOON(left.station->send(of_flow(flow, number)));
    }
    take();
  }
  EXPECT_SOON((take(), arrived == size_t{kFlows} * kFrames));
  EXPECT_SOON(left.fixture.imbalance() == 0);
  EXPECT_SOON(right.fixture.imbalance() == 0);
}

TEST("vxlan: what comes in is checked, and each refusal is counted with its reason") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}));
  Peer friendly("127.0.0.2");
  Peer stranger("127.0.0.3");
  const Bytes good = with_header(7, frame(2, 1));
  struct Case {
    const char* what;
    Peer& from;
    Bytes payload;
    std::optional<Drop> drop;
  };
  const Case cases[] = {
      {"a good frame", friendly, good, std::nullopt},
      {"reserved bits", friendly, with_header(7, frame(2, 1), 0xff), std::nullopt},
      {"nothing", friendly, {}, Drop::kBadOuterLength},
      {"half a header", friendly, Bytes(good.begin(), good.begin() + 7), Drop::kBadOuterLength},
      {"no frame", friendly, with_header(7, {}), Drop::kRunt},
      {"half an Ethernet header", friendly, with_header(7, frame(2, 1, 13)), Drop::kRunt},
      {"only an Ethernet header", friendly, with_header(7, frame(2, 1, 14)), std::nullopt},
      {"no VNI", friendly, with_header(7, frame(2, 1), 0xf7), Drop::kBadVxlan},
      {"another VNI", friendly, with_header(8, frame(2, 1)), Drop::kUnknownVni},
      {"a stranger", stranger, good, Drop::kUnknownRemote},
      {"a group's source", friendly, with_header(7, frame(2, 0xff)), Drop::kBadSource},
  };
  for (const Case& one : cases) {
    const expect::Row row(one.what);
    const uint64_t before = one.drop ? site.fixture.drops(site.t, *one.drop) : 0;
    one.from.send("127.0.0.1", one.payload);
    if (one.drop) {
      EXPECT_SOON(site.fixture.drops(site.t, *one.drop) == before + 1);
      EXPECT(!site.station->receive().has_value());
    } else {
      EXPECT(site.station->expect_frame() == Bytes(one.payload.begin() + 8, one.payload.end()));
    }
  }
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: tunnels of one VTEP are apart, also when their frames come mixed") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}, 7));
  const uint16_t green = site.fixture.add_bridge();
  site.fixture.add_port("b", {.bridge = green});
  site.add(tunnel("127.0.0.1", {"127.0.0.2"}, 8), green);
  Station other(site.fixture.socket("b"));
  Peer peer("127.0.0.2");
  for (uint8_t i = 0; i < 100; ++i) {
    peer.send("127.0.0.1", with_header(i % 2 == 0 ? 7 : 8, frame(2, 1, 64, i)));
  }
  for (uint8_t i = 0; i < 100; ++i) {
    Station& station = i % 2 == 0 ? *site.station : other;
    EXPECT(station.expect_frame() == frame(2, 1, 64, i));
  }
  EXPECT(site.station->send(frame(1, 2)));
  EXPECT(peer.expect_payload() == with_header(7, frame(1, 2)));
  EXPECT(other.send(frame(1, 2)));
  EXPECT(peer.expect_payload() == with_header(8, frame(1, 2)));
  PortId twin = kNoPort;
  const Status status =
      site.fixture.sw.add_port({.bridge = green, .vxlan = tunnel("127.0.0.1", {}, 8)}, twin);
  EXPECT(status.code == Code::kInUse);
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: flooding makes a copy for each remote; a learned address gets its frames alone") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3", "127.0.0.4"}));
  Peer two("127.0.0.2");
  Peer three("127.0.0.3");
  Peer four("127.0.0.4");
  EXPECT(site.station->send(frame(0xff, 1)));
  for (Peer* vtep : {&two, &three, &four}) {
    EXPECT(vtep->expect_payload() == with_header(7, frame(0xff, 1)));
  }
  EXPECT_EQ(site.fixture.count(site.t, &PortCounters::copies), 2);
  three.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(three.expect_payload() == with_header(7, frame(9, 1)));
  // The address has moved to another remote.
  four.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(four.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT_EQ(site.remote("127.0.0.3").macs, 0);
  EXPECT_EQ(site.remote("127.0.0.4").macs, 1);
  // What the bridge forgets is flooded again.
  uint32_t flushed = 0;
  EXPECT(site.fixture.sw.flush_macs(site.fixture.bridge, kNoPort, flushed).ok());
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(two.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: from one tunnel to another of a bridge nothing goes; without split horizon it does") {
  for (const bool split : {true, false}) {
    VxlanOptions one = tunnel("127.0.0.1", {"127.0.0.2"}, 7);
    VxlanOptions two = tunnel("127.0.0.1", {"127.0.0.3"}, 8);
    one.split_horizon = two.split_horizon = split;
    Site site(one);
    const PortId t2 = site.add(two);
    Peer near("127.0.0.2");
    Peer far("127.0.0.3");
    near.send("127.0.0.1", with_header(7, frame(0xff, 5)));
    EXPECT(site.station->expect_frame() == frame(0xff, 5));
    EXPECT(site.fixture.sw.add_static_mac(site.fixture.bridge, mac(6), t2).ok());
    near.send("127.0.0.1", with_header(7, frame(6, 5)));
    if (split) {
      EXPECT_SOON(site.fixture.drops(site.t, Drop::kSplitHorizon) == 1);
      EXPECT(!far.receive().has_value());
    } else {
      EXPECT(far.expect_payload() == with_header(8, frame(0xff, 5)));
      EXPECT(far.expect_payload() == with_header(8, frame(6, 5)));
    }
    EXPECT_SOON(site.fixture.imbalance() == 0);
  }
}

TEST("vxlan: remotes come and go on a live tunnel") {
  Site site(tunnel("127.0.0.1", {}));
  Peer peer("127.0.0.2");
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 1);
  EXPECT(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).ok());
  EXPECT(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).code == Code::kExists);
  EXPECT(site.fixture.sw.add_remote(site.t, ip("2001:db8::1")).code == Code::kInvalid);
  EXPECT(site.fixture.sw.add_remote(site.a, ip("127.0.0.2")).code == Code::kInvalid);
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT(peer.expect_payload() == with_header(7, frame(0xff, 1)));
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).ok());
  EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).code == Code::kNotFound);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 2);
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kUnknownRemote) == 1);
  EXPECT(!peer.receive().has_value());
  for (int round = 0; round < 3000; ++round) {  // more than there are indexes
    EXPECT_SOON(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).ok());
    EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).ok());
  }
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: with `learn`, a VTEP that nobody named is heard and answered, not flooded to") {
  VxlanOptions options = tunnel("127.0.0.1", {});
  options.learn_remotes = true;
  Site site(options);
  Peer peer("127.0.0.9");
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(!site.remote("127.0.0.9").configured);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(peer.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 1);
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: a static address stays behind its remote, whatever is heard") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3"}));
  Peer two("127.0.0.2");
  Peer three("127.0.0.3");
  Switch& sw = site.fixture.sw;
  const uint16_t bridge = site.fixture.bridge;
  EXPECT(sw.add_static_mac(bridge, mac(9), site.t, ip("127.0.0.4")).code == Code::kNotFound);
  EXPECT(sw.add_static_mac(bridge, mac(9), site.a, ip("127.0.0.2")).code == Code::kInvalid);
  EXPECT(sw.add_static_mac(bridge, mac(9), site.t, ip("127.0.0.2")).ok());
  three.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(two.expect_payload() == with_header(7, frame(9, 1)));
  const std::pair<PortId, Mac> asked[] = {{site.t, mac(9)}, {site.a, mac(1)}, {site.t, mac(8)}};
  const auto remotes = sw.remotes_of(asked);
  EXPECT(remotes[0] == ip("127.0.0.2"));
  EXPECT(!remotes[1] && !remotes[2]);
  bool removed = false;
  EXPECT(sw.remove_mac(bridge, mac(9), removed).ok());
  EXPECT(removed);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(three.expect_payload() == with_header(7, frame(9, 1)));
}

TEST("vxlan: an idle worker wakes for a datagram") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}));
  Peer peer("127.0.0.2");
  for (int i = 0; i < 10; ++i) {
    const uint64_t sleeps = site.fixture.sw.workers().counters(0).sleeps.get();
    EXPECT_SOON(site.fixture.sw.workers().counters(0).sleeps.get() > sleeps ||
                memif::wants_doorbell(site.station->link().tx[0]));
    peer.send("127.0.0.1", with_header(7, frame(1, 9)));
    EXPECT(site.station->expect_frame() == frame(1, 9));
  }
}

TEST("vxlan: what cannot be opened is refused in words, and leaves nothing") {
  Fixture fixture;
  PortId port = kNoPort;
  const auto refusal = [&](VxlanOptions options) {
    return fixture.sw.add_port({.bridge = fixture.bridge, .vxlan = std::move(options)}, port);
  };
  Peer taken("127.0.0.7");
  EXPECT(refusal(tunnel("127.0.0.7", {})).code == Code::kInUse);
  EXPECT_CONTAINS(refusal(tunnel("127.0.0.7", {})).message, "another program");
  EXPECT(refusal(tunnel("192.0.2.99", {})).code == Code::kNotFound);
  EXPECT_CONTAINS(refusal(tunnel("192.0.2.99", {})).message, "does not have that address");
  VxlanOptions nowhere = tunnel("127.0.0.1", {});
  nowhere.vtep.netns = "no-such-namespace";
  EXPECT_CONTAINS(refusal(nowhere).message, "no-such-namespace");
  EXPECT(refusal(tunnel("127.0.0.1", {}, 7)).ok());
  VxlanOptions other = tunnel("127.0.0.1", {}, 8);
  other.vtep.ttl = 3;
  EXPECT(refusal(other).code == Code::kInvalid);
  EXPECT_EQ(fixture.sw.port_states().size(), 1U);
}

TEST("vxlan: a tunnel goes while its frames come, and its neighbour on the VTEP loses none") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}, 7));
  Peer peer("127.0.0.2");
  for (uint8_t round = 0; round < 20; ++round) {
    const PortId second = site.add(tunnel("127.0.0.1", {"127.0.0.2"}, 8));
    for (int i = 0; i < 50; ++i) {
      peer.send("127.0.0.1", with_header(i % 2 == 0 ? 7 : 8, frame(1, 9, 64, round)));
      if (i == 25) {
        EXPECT(site.fixture.sw.remove_port(second).ok());
      }
    }
    for (int i = 0; i < 25; ++i) {
      EXPECT(site.station->expect_frame().size() == 64);
    }
    EXPECT_SOON(site.fixture.count(site.t, &PortCounters::rx_frames) >= 25U * (round + 1U));
    while (site.station->receive()) {
    }
  }
  EXPECT(site.fixture.sw.remove_port(site.t).ok());
}

// --- over a port of the switch -------------------------------------------------------------------------------------

namespace {

constexpr Mac kOurs =
    0x0102'0000'0002;  // 02:00:00:00:02:01 as it lies in memory: 02 00 00 00 02 01

VxlanOptions over(PortId underlay, bool ipv4, uint16_t vlan = 0) {
  VxlanOptions options{.vni = 7,
                       .vtep = {.local = ip(ipv4 ? "192.0.2.1" : "2001:db8::1"),
                                .underlay = underlay,
                                .prefix = ipv4 ? uint8_t{24} : uint8_t{64},
                                .vlan = vlan,
                                .mac = kOurs,
                                .mtu = 9000}};
  options.vtep.udp_checksum = !ipv4;
  options.remotes = {ip(ipv4 ? "192.0.2.2" : "2001:db8::2")};
  return options;
}

// The other end, at the underlay port's memif.
struct Far {
  Far(const std::string& socket, bool ipv4, uint16_t vlan = 0)
      : station(socket),
        self{ip(ipv4 ? "192.0.2.2" : "2001:db8::2"), mac(2), vlan},
        other(ip(ipv4 ? "192.0.2.1" : "2001:db8::1")) {
    EXPECT_EQ(station.refusal(), "");
  }
  static std::span<const std::byte> head(const Bytes& frame) {
    return std::as_bytes(std::span(frame)).first(std::min<size_t>(frame.size(), 106));
  }
  // Answers the question for our address, waited for.
  void answer_question() {
    const Bytes question = station.expect_frame();
    const auto message =
        vxlan::read_neighbor(head(question), static_cast<uint32_t>(question.size()), self.vlan);
    EXPECT(message.has_value());
    EXPECT(message->kind == vxlan::NeighborMessage::Kind::kQuestion);
    EXPECT(message->target == self.address);
    EXPECT(message->sender.address == other);
    EXPECT(message->sender.mac == kOurs);
    Bytes reply(vxlan::kMaxNeighborFrame);
    reply.resize(
        vxlan::write_answer(reinterpret_cast<std::byte*>(reply.data()), self, {other, kOurs}));
    EXPECT(station.send(reply));
  }
  void send(
      const Bytes& inner, const std::function<void(Bytes&)>& change = [](Bytes&) {}) {
    const vxlan::OuterTemplate outer({.source_mac = self.mac,
                                      .destination_mac = kOurs,
                                      .vlan = self.vlan,
                                      .local = self.address,
                                      .remote = other,
                                      .port = 4789,
                                      .vni = 7});
    Bytes frame(vxlan::kMaxOuterSent);
    auto* to = reinterpret_cast<std::byte*>(frame.data());
    outer.write(to, {.inner_length = static_cast<uint32_t>(inner.size()), .source_port = 50000});
    vxlan::Checksum sum;
    sum.add(inner.data(), inner.size());
    outer.seal(to, sum);
    frame.resize(outer.size());
    frame.insert(frame.end(), inner.begin(), inner.end());
    change(frame);
    EXPECT_SOON(station.send(frame));
  }
  Bytes expect_inner() {
    const Bytes frame = station.expect_frame();
    const vxlan::Decapsulated out =
        vxlan::decapsulate(head(frame), static_cast<uint32_t>(frame.size()),
                           {.local = self.address, .port = 4789, .vlan = self.vlan});
    EXPECT(!out.drop);
    EXPECT_EQ(out.vni, 7U);
    EXPECT(out.source == other);
    if (out.checksum) {
      vxlan::Checksum sum = *out.checksum;
      sum.add(frame.data() + out.inner, out.length);
      EXPECT_EQ(sum.sum(), vxlan::kChecksumHolds);
    }
    return Bytes(frame.begin() + out.inner, frame.end());
  }

  Station station;
  vxlan::Station self;
  IpAddress other;
};

struct Crossing {
  explicit Crossing(bool ipv4, uint16_t vlan = 0) {
    fixture.add_port("a");
    nic = fixture.add_port("nic");
    tunnel = fixture.add_port("", {.vxlan = over(nic, ipv4, vlan)});
    far.emplace(fixture.socket("nic"), ipv4, vlan);
    near.emplace(fixture.socket("a"));
  }
  int64_t imbalance() {
    int64_t consumed = 0;
    for (PortId port = 1; port < 8; ++port) {
      consumed += static_cast<int64_t>(fixture.count(port, &PortCounters::consumed));
    }
    return fixture.imbalance() - consumed;
  }

  Fixture fixture;
  PortId nic = kNoPort;
  PortId tunnel = kNoPort;
  std::optional<Station> near;
  std::optional<Far> far;
};

}  // namespace

TEST("vxlan over a port: neighbours are asked for and answered, frames go both ways whole") {
  for (const bool ipv4 : {true, false}) {
    for (const uint16_t vlan : {uint16_t{0}, uint16_t{100}}) {
      const expect::Row row(std::string(ipv4 ? "IPv4" : "IPv6") + ", VLAN " + std::to_string(vlan));
      Crossing crossing(ipv4, vlan);
      Far& far = *crossing.far;
      EXPECT(crossing.near->send(frame(2, 1)));
      EXPECT_SOON(crossing.fixture.drops(crossing.tunnel, Drop::kUnresolved) == 1);
      EXPECT(!crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
      far.answer_question();
      EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
      for (const size_t length : {14, 60, 64, 65, 1514, 5000}) {
        const expect::Row size(std::to_string(length) + " bytes");
        EXPECT(crossing.near->send(frame(2, 1, length)));
        EXPECT(far.expect_inner() == frame(2, 1, length));
        far.send(frame(1, 2, length));
        EXPECT(crossing.near->expect_frame() == frame(1, 2, length));
      }
      // The other end asks who we are.
      Bytes question(vxlan::kMaxNeighborFrame);
      question.resize(vxlan::write_question(reinterpret_cast<std::byte*>(question.data()), far.self,
                                            far.other));
      EXPECT(far.station.send(question));
      const Bytes answer = far.station.expect_frame();
      const auto message =
          vxlan::read_neighbor(Far::head(answer), static_cast<uint32_t>(answer.size()), vlan);
      EXPECT(message.has_value());
      EXPECT(message->kind == vxlan::NeighborMessage::Kind::kAnswer);
      EXPECT(message->sender.address == far.other);
      EXPECT(message->sender.mac == kOurs);
      EXPECT(crossing.near->send(frame(2, 1, 9000)));
      EXPECT_SOON(crossing.fixture.drops(crossing.tunnel, Drop::kTooLong) == 1);
      EXPECT_SOON(crossing.imbalance() == 0);
    }
  }
}

TEST("vxlan over a port: what is not for the tunnel is refused with its reason") {
  struct Case {
    const char* what;
    std::function<void(Bytes&)> change;
    Drop drop;
  };
  const Case cases[] = {
      {"to another station", [](Bytes& f) { ++f[5]; }, Drop::kNotTunnel},
      {"not IP", [](Bytes& f) { f[12] = 0x88; }, Drop::kNotTunnel},
      {"cut", [](Bytes& f) { f.pop_back(); }, Drop::kBadOuterLength},
      {"wrong IP checksum", [](Bytes& f) { f[24] ^= 1; }, Drop::kBadOuterChecksum},
      {"wrong UDP checksum", [](Bytes& f) { f[40] ^= 1; }, Drop::kBadOuterChecksum},
      {"changed inside", [](Bytes& f) { f.back() ^= 1; }, Drop::kBadOuterChecksum},
      {"another VNI", [](Bytes& f) { f[48] ^= 1, f[40] = f[41] = 0; }, Drop::kUnknownVni},
      {"no VNI", [](Bytes& f) { f[42] = 0, f[40] = f[41] = 0; }, Drop::kBadVxlan},
  };
  Crossing crossing(true);
  for (const Case& one : cases) {
    const expect::Row row(one.what);
    const uint64_t before = crossing.fixture.drops(crossing.nic, one.drop);
    crossing.far->send(frame(1, 2), one.change);
    EXPECT_SOON(crossing.fixture.drops(crossing.nic, one.drop) == before + 1);
    EXPECT(!crossing.near->receive().has_value());
  }
  EXPECT_SOON(crossing.imbalance() == 0);
}

TEST("vxlan over a port: the port leaves its bridge for as long as it carries tunnels") {
  Crossing crossing(true);
  Switch& sw = crossing.fixture.sw;
  EXPECT(sw.remove_port(crossing.nic).code == Code::kInUse);
  PortId other = kNoPort;
  VxlanOptions second = over(crossing.nic, true);
  second.vni = 8;
  second.vtep.local = ip("192.0.2.9");
  EXPECT(sw.add_port({.bridge = crossing.fixture.bridge, .vxlan = second}, other).code ==
         Code::kInUse);
  second.vtep.underlay = crossing.tunnel;
  EXPECT(sw.add_port({.bridge = crossing.fixture.bridge, .vxlan = second}, other).code ==
         Code::kInvalid);
  crossing.far->send(frame(0xff, 9));
  EXPECT(crossing.near->expect_frame() == frame(0xff, 9));
  EXPECT(sw.remove_port(crossing.tunnel).ok());
  EXPECT(crossing.near->send(frame(0xff, 1)));
  EXPECT(crossing.far->station.expect_frame() == frame(0xff, 1));
  EXPECT(sw.remove_port(crossing.nic).ok());
}

TEST("vxlan over a port: behind a gateway, the gateway is asked for") {
  Fixture fixture;
  fixture.add_port("a");
  const PortId nic = fixture.add_port("nic");
  VxlanOptions options = over(nic, true);
  options.vtep.gateway = ip("192.0.2.2");
  options.remotes = {ip("198.51.100.9")};
  fixture.add_port("", {.vxlan = options});
  Far gateway(fixture.socket("nic"), true);
  Station near(fixture.socket("a"));
  EXPECT(near.send(frame(2, 1)));
  gateway.answer_question();
  EXPECT_SOON(fixture.sw.tunnels()[0].remotes[0].reachable);
  EXPECT(near.send(frame(2, 1)));
  const Bytes sent = gateway.station.expect_frame();
  EXPECT(Bytes(sent.begin(), sent.begin() + 6) == (Bytes{2, 0, 0, 0, 0, 2}));
  EXPECT(Bytes(sent.begin() + 30, sent.begin() + 34) == (Bytes{198, 51, 100, 9}));
}
