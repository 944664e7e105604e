// What a bridge does with frames: rows of frames in, frames out, through real rings and a real worker.
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// Three stations on one bridge.
struct Trio {
  explicit Trio(BridgeOptions options = {}) : fixture(1, options) {
    for (const char* name : {"a", "b", "c"}) {
      ports.push_back(fixture.add_port(name));
      stations.push_back(std::make_unique<Station>(fixture.socket(name)));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
  }
  Station& operator[](size_t i) { return *stations[i]; }

  void expect_nothing(size_t i) { EXPECT(!stations[i]->receive().has_value()); }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
};

}  // namespace

TEST("an unknown destination is flooded, a learned one is not") {
  Trio trio;
  EXPECT(trio[0].send(frame(2, 1)));
  EXPECT(trio[1].expect_frame() == frame(2, 1));
  EXPECT(trio[2].expect_frame() == frame(2, 1));
  trio.expect_nothing(0);
  EXPECT(trio[1].send(frame(1, 2)));
  EXPECT(trio[0].expect_frame() == frame(1, 2));
  EXPECT(trio[0].send(frame(2, 1, 100)));
  EXPECT(trio[1].expect_frame() == frame(2, 1, 100));
  trio.expect_nothing(2);
  EXPECT_EQ(trio.fixture.count(trio.ports[0], &PortCounters::copies), 1);
  EXPECT_SOON(trio.fixture.imbalance() == 0);
}

TEST("what a frame looks like decides what becomes of it") {
  struct Case {
    const char* what;
    Bytes sent;
    std::optional<Drop> drop;
  };
  Bytes pause = frame(0, 1);
  const uint8_t reserved[] = {0x01, 0x80, 0xc2, 0, 0, 0x01};
  std::copy(std::begin(reserved), std::end(reserved), pause.begin());
  Bytes not_reserved = pause;
  not_reserved[5] = 0x10;
  Bytes group = frame(2, 1);
  group[6] |= 1;
  Bytes zero = frame(2, 1);
  std::fill_n(zero.begin() + 6, 6, 0);
  Bytes tagged = frame(2, 1, 68);
  tagged[12] = 0x81;
  tagged[13] = 0x00;
  Bytes twice = tagged;
  twice[12] = 0x88;
  twice[13] = 0xa8;
  twice[16] = 0x81;
  twice[17] = 0x00;
  const Case cases[] = {
      {"no bytes", frame(2, 1, 0), Drop::kRunt},
      {"one byte", frame(2, 1, 1), Drop::kRunt},
      {"one short of a header", frame(2, 1, 13), Drop::kRunt},
      {"only a header", frame(2, 1, 14), std::nullopt},
      {"15 bytes", frame(2, 1, 15), std::nullopt},
      {"31 bytes", frame(2, 1, 31), std::nullopt},
      {"32 bytes", frame(2, 1, 32), std::nullopt},
      {"the shortest of a wire", frame(2, 1, 60), std::nullopt},
      {"63 bytes", frame(2, 1, 63), std::nullopt},
      {"a cache line", frame(2, 1, 64), std::nullopt},
      {"a byte more", frame(2, 1, 65), std::nullopt},
      {"full size", frame(2, 1, 1518), std::nullopt},
      {"a buffer", frame(2, 1, 2048), std::nullopt},
      {"two buffers", frame(2, 1, 2049), std::nullopt},
      {"jumbo", frame(2, 1, 9018), std::nullopt},
      {"the longest", frame(2, 1, 65535), std::nullopt},
      {"too long", frame(2, 1, 65536), Drop::kOversize},
      {"broadcast", frame(0xff, 1), std::nullopt},
      {"a multicast source", group, Drop::kBadSource},
      {"a source of zeros", zero, Drop::kBadSource},
      {"a pause frame", pause, Drop::kReserved},
      {"multicast beside the reserved", not_reserved, std::nullopt},
      {"an 802.1Q tag", tagged, std::nullopt},
      {"two tags", twice, std::nullopt},
      {"to its own port", frame(1, 1), Drop::kSamePort},
  };
  Trio trio;
  EXPECT(trio[0].send(frame(9, 1)));  // so that address 1 is known
  trio[1].expect_frame();
  for (const Case& one : cases) {
    const expect::Row row(one.what);
    const uint64_t before = one.drop ? trio.fixture.drops(trio.ports[0], *one.drop) : 0;
    EXPECT(trio[0].send(one.sent));
    if (one.drop) {
      EXPECT_SOON(trio.fixture.drops(trio.ports[0], *one.drop) == before + 1);
      trio.expect_nothing(1);
    } else {
      EXPECT(trio[1].expect_frame() == one.sent);
    }
  }
  EXPECT_SOON(trio.fixture.imbalance() == 0);
}

TEST("an address moves to where it was last seen, and that is told") {
  Trio trio;
  EXPECT(trio[0].send(frame(9, 1)));
  trio[1].expect_frame();
  EXPECT(trio[1].send(frame(9, 1)));
  trio[0].expect_frame();
  EXPECT(trio[2].send(frame(1, 3)));
  EXPECT(trio[1].expect_frame() == frame(9, 1) || true);
  EXPECT_SOON(trio.fixture.told(Event::Kind::kMove, trio.ports[1]));
  EXPECT_EQ(trio.fixture.count(trio.ports[1], &PortCounters::moves), 1);
  EXPECT_EQ(trio.fixture.state(trio.ports[0]).macs, 0);
  EXPECT_EQ(trio.fixture.state(trio.ports[1]).macs, 1);
}

TEST("an address that is not seen ages away; a static one stays") {
  Trio trio({.ageing = 1});
  EXPECT(trio.fixture.sw.add_static_mac(trio.fixture.bridge, mac(7), trio.ports[2]).ok());
  EXPECT(trio[0].send(frame(9, 1)));
  EXPECT_SOON(trio.fixture.state(trio.ports[0]).macs == 1);
  EXPECT_SOON(trio.fixture.state(trio.ports[0]).macs == 0);
  uint32_t left = 0;
  EXPECT(trio.fixture.sw.bridge_macs(trio.fixture.bridge, left).ok());
  EXPECT_EQ(left, 1);
}

TEST("a static address does not move and survives a flush") {
  Trio trio;
  Switch& sw = trio.fixture.sw;
  EXPECT(sw.add_static_mac(trio.fixture.bridge, mac(7), trio.ports[2]).ok());
  EXPECT(trio[0].send(frame(9, 7)));  // somebody pretends
  trio[1].expect_frame();
  trio[2].expect_frame();
  EXPECT(trio[1].send(frame(7, 2)));
  EXPECT(trio[2].expect_frame() == frame(7, 2));
  uint32_t flushed = 0;
  EXPECT(sw.flush_macs(trio.fixture.bridge, kNoPort, flushed).ok());
  EXPECT_EQ(flushed, 1);
  uint32_t left = 0;
  EXPECT(sw.bridge_macs(trio.fixture.bridge, left).ok());
  EXPECT_EQ(left, 1);
  EXPECT_EQ(sw.add_static_mac(trio.fixture.bridge, 1, trio.ports[0]).code, Code::kInvalid);
  EXPECT_EQ(sw.add_static_mac(trio.fixture.bridge, 0, trio.ports[0]).code, Code::kInvalid);
}

TEST("a bridge holds no more addresses than its limit, and says so") {
  Trio trio({.mac_limit = 4});
  for (uint8_t source = 10; source < 30; ++source) {
    EXPECT(trio[0].send(frame(9, source)));
    EXPECT(trio[1].expect_frame() == frame(9, source));
  }
  uint32_t held = 0;
  EXPECT(trio.fixture.sw.bridge_macs(trio.fixture.bridge, held).ok());
  EXPECT_EQ(held, 4);
  EXPECT_EQ(trio.fixture.count(trio.ports[0], &PortCounters::learn_limited), 16);
  EXPECT_SOON(trio.fixture.told(Event::Kind::kTableFull));
}

TEST("a port learns no more addresses than its limit; another does") {
  Fixture fixture;
  const PortId small = fixture.add_port("small", {.mac_limit = 2});
  const PortId large = fixture.add_port("large");
  Station a(fixture.socket("small"));
  Station b(fixture.socket("large"));
  for (uint8_t source = 10; source < 20; ++source) {
    EXPECT(a.send(frame(9, source)));
    b.expect_frame();
    EXPECT(b.send(frame(9, static_cast<uint8_t>(source + 100))));
    a.expect_frame();
  }
  EXPECT_EQ(fixture.state(small).macs, 2);
  EXPECT_EQ(fixture.state(large).macs, 10);
  EXPECT_SOON(fixture.told(Event::Kind::kPortFull, small));
  uint32_t flushed = 0;
  EXPECT(fixture.sw.flush_macs(fixture.bridge, small, flushed).ok());
  EXPECT_EQ(flushed, 2);
  EXPECT_EQ(fixture.state(small).macs, 0);
}

TEST("without flooding, the unknown is dropped; without learning, all is unknown") {
  Trio silent({.flood = false});
  EXPECT(silent[0].send(frame(2, 1)));
  EXPECT_SOON(silent.fixture.drops(silent.ports[0], Drop::kNoDestination) == 1);
  Trio hub({.learn = false});
  EXPECT(hub[0].send(frame(2, 1)));
  EXPECT(hub[2].expect_frame() == frame(2, 1));
  EXPECT_EQ(hub.fixture.state(hub.ports[0]).macs, 0);
}

TEST("bridges do not see each other; a port that moves takes its link along") {
  Fixture fixture;
  const uint16_t green = fixture.add_bridge();
  const PortId a = fixture.add_port("a");
  fixture.add_port("b");
  fixture.add_port("c", {.bridge = green});
  Station sa(fixture.socket("a"));
  Station sb(fixture.socket("b"));
  Station sc(fixture.socket("c"));
  EXPECT(sa.send(frame(0xff, 1)));
  EXPECT(sb.expect_frame() == frame(0xff, 1));
  EXPECT(!sc.receive().has_value());
  EXPECT(fixture.sw.set_port(a, green, 0, kMaxFrame).ok());
  EXPECT_SOON(fixture.state(a).macs == 0);
  EXPECT(sa.send(frame(0xff, 1, 99)));
  EXPECT(sc.expect_frame() == frame(0xff, 1, 99));
  EXPECT(!sb.receive().has_value());
  EXPECT_EQ(fixture.sw.remove_bridge(green).code, Code::kInUse);
  EXPECT_SOON(fixture.imbalance() == 0);
}

TEST(
    "to a port without a peer: link_down; to a full ring: ring_full; both are counted where the "
    "frame was to leave") {
  Fixture fixture;
  const PortId a = fixture.add_port("a");
  const PortId b = fixture.add_port("b");
  Station sa(fixture.socket("a"));
  EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(2), b).ok());
  EXPECT(sa.send(frame(2, 1)));
  EXPECT_SOON(fixture.drops(b, Drop::kLinkDown) == 1);
  Station sb(fixture.socket("b"), {.log2_ring_size = 3});
  for (int i = 0; i < 20; ++i) {
    EXPECT(sa.send(frame(2, 1)));
  }
  EXPECT_SOON(fixture.drops(b, Drop::kRingFull) == 12);
  EXPECT_EQ(fixture.count(b, &PortCounters::tx_frames), 8);
  EXPECT_EQ(fixture.count(a, &PortCounters::rx_frames), 21);
  EXPECT(sa.send(frame(2, 1, 40)));
  EXPECT_SOON(fixture.imbalance() == 0);
}
