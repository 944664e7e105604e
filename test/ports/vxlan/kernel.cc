// Tunnels over the host's own stack: switches of this process and plain UDP sockets.
#include "test/ports/vxlan/kit.h"

using namespace memswitch;
using namespace memswitch::test;

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

TEST("vxlan: refusals that come mixed are counted each with its own reason") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}));
  Peer friendly("127.0.0.2");
  constexpr uint64_t kEach = 100;
  for (uint64_t i = 0; i < kEach; ++i) {
    friendly.send("127.0.0.1", with_header(8, frame(2, 1)));
    friendly.send("127.0.0.1", with_header(7, frame(2, 1), 0xf7));
  }
  const auto count = [&](Drop drop) { return site.fixture.drops(site.t, drop); };
  EXPECT_SOON(count(Drop::kUnknownVni) + count(Drop::kBadVxlan) == 2 * kEach);
  EXPECT_EQ(count(Drop::kUnknownVni), kEach);
}

TEST("vxlan: a remote that the host cannot send to costs the others nothing") {
  Site site(tunnel("127.0.0.1", {"192.0.2.77", "127.0.0.2"}));  // from a loopback address: refused
  Peer peer("127.0.0.2");
  for (uint64_t round = 1; round <= 10; ++round) {
    EXPECT(site.station->send(frame(0xff, 1)));
    EXPECT(peer.expect_payload() == with_header(7, frame(0xff, 1)));
    EXPECT_SOON(site.remote("192.0.2.77").drops == round);
  }
  EXPECT_EQ(site.remote("127.0.0.2").drops, 0U);
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
