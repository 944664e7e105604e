// Bridges of VLANs, through real rings and a real worker: who gets which frame, and with which tag.
#include "dataplane/vlan.h"

#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr uint32_t kCustomer = 0x8100'0000;
constexpr uint32_t kService = 0x88a8'0000;

// The frame with tags behind its addresses, the outer one first.
Bytes tagged(const Bytes& frame, const std::vector<uint32_t>& tags) {
  Bytes bytes = frame;
  auto at = bytes.begin() + 12;
  for (const uint32_t tag : tags) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      at = bytes.insert(at, static_cast<uint8_t>(tag >> shift)) + 1;
    }
  }
  return bytes;
}

Bytes in_vlan(const Bytes& frame, uint16_t vlan) {
  return tagged(frame, {kCustomer | vlan});
}

VlanOptions access(uint16_t vlan) {
  return {.untagged = vlan};
}
VlanOptions trunk(uint16_t first, uint16_t last, uint16_t native = 0) {
  return {.untagged = native, .tagged = {{first, last}}};
}

struct Ports {
  explicit Ports(const std::vector<VlanOptions>& vlans, uint16_t buffer = 2048)
      : fixture(1, {.vlans = true}) {
    for (size_t i = 0; i < vlans.size(); ++i) {
      const std::string name = "p" + std::to_string(i);
      ports.push_back(fixture.add_port(name, {.policy = {.vlans = vlans[i]}}));
      stations.push_back(std::make_unique<Station>(fixture.socket(name),
                                                   memif::ClientOptions{.buffer_size = buffer}));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
  }
  Station& operator[](size_t i) { return *stations[i]; }

  void expect_nothing() {
    for (const auto& station : stations) {
      EXPECT(!station->receive().has_value());
    }
  }
  void expect_balance() { EXPECT_SOON(fixture.imbalance() == 0); }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
};

}  // namespace

TEST("a frame goes to the members of its VLAN, with a tag to trunks and without to others") {
  // Two in 100, one in 200, a trunk of both, a trunk of 100 without a tag and 300.
  Ports p({access(100), access(100), access(200), trunk(100, 200), trunk(300, 300, 100)});
  const Bytes sent = frame(0xff, 1);
  EXPECT(p[0].send(sent));
  EXPECT(p[1].expect_frame() == sent);
  EXPECT(p[3].expect_frame() == in_vlan(sent, 100));
  EXPECT(p[4].expect_frame() == sent);
  EXPECT(p[2].send(sent));
  EXPECT(p[3].expect_frame() == in_vlan(sent, 200));
  EXPECT(p[3].send(in_vlan(frame(0xff, 3), 100)));
  EXPECT(p[0].expect_frame() == frame(0xff, 3));
  EXPECT(p[1].expect_frame() == frame(0xff, 3));
  EXPECT(p[4].expect_frame() == frame(0xff, 3));
  EXPECT(p[4].send(in_vlan(frame(0xff, 4), 300)));  // nobody else is in 300
  EXPECT_SOON(p.fixture.drops(p.ports[4], Drop::kNoDestination) == 1);
  p.expect_nothing();
  p.expect_balance();
}

TEST("an address is known in its VLAN alone") {
  Ports p({access(100), access(200), trunk(1, 4094), trunk(1, 4094)});
  EXPECT(p[2].send(in_vlan(frame(0xff, 1), 100)));  // 1 is behind one trunk in 100,
  EXPECT(p[0].expect_frame() == frame(0xff, 1));
  EXPECT(p[3].expect_frame() == in_vlan(frame(0xff, 1), 100));
  EXPECT(p[3].send(in_vlan(frame(0xff, 1), 200)));  // and behind the other in 200
  EXPECT(p[1].expect_frame() == frame(0xff, 1));
  EXPECT(p[2].expect_frame() == in_vlan(frame(0xff, 1), 200));
  EXPECT(p[0].send(frame(1, 5)));
  EXPECT(p[2].expect_frame() == in_vlan(frame(1, 5), 100));
  EXPECT(p[1].send(frame(1, 5)));
  EXPECT(p[3].expect_frame() == in_vlan(frame(1, 5), 200));
  p.expect_nothing();
  std::vector<std::pair<Mac, PortId>> known;
  EXPECT(
      p.fixture.sw
          .each_mac(p.fixture.bridge, [&](const MacTable::Entry& entry,
                                          uint16_t) { known.emplace_back(entry.mac, entry.port); })
          .ok());
  std::ranges::sort(known);
  const std::vector<std::pair<Mac, PortId>> wanted{{with_vlan(mac(1), 100), p.ports[2]},
                                                   {with_vlan(mac(5), 100), p.ports[0]},
                                                   {with_vlan(mac(1), 200), p.ports[3]},
                                                   {with_vlan(mac(5), 200), p.ports[1]}};
  EXPECT(known == wanted);
  p.expect_balance();
}

TEST("what a port does not carry ends where it came in") {
  struct Case {
    const char* what;
    size_t port;
    Bytes sent;
  };
  const Bytes plain = frame(0xff, 1);
  Bytes cut = in_vlan(plain, 100);
  cut.resize(17);
  const Case cases[] = {
      {"a tag on an access port", 0, in_vlan(plain, 100)},
      {"another's tag on an access port", 0, in_vlan(plain, 200)},
      {"a service tag on an access port", 0, tagged(plain, {kService | 100})},
      {"a VLAN that is not in the trunk", 1, in_vlan(plain, 99)},
      {"one behind the trunk's last", 1, in_vlan(plain, 201)},
      {"no tag on a trunk without native", 1, plain},
      {"a priority on a trunk without native", 1, tagged(plain, {kCustomer | 0xe000})},
      {"the reserved VLAN", 1, in_vlan(plain, 4095)},
      {"half a tag", 1, cut},
  };
  Ports p({access(100), trunk(100, 200), access(100), access(200)});
  std::array<uint64_t, 2> drops{};
  for (const Case& one : cases) {
    const expect::Row row(one.what);
    EXPECT(p[one.port].send(one.sent));
    ++drops[one.port];
    EXPECT_SOON(p.fixture.drops(p.ports[one.port], Drop::kVlan) == drops[one.port]);
    p.expect_nothing();
  }
  EXPECT_EQ(p.fixture.state(p.ports[0]).macs, 0);
  p.expect_balance();
}

TEST("tags come and go with frames of any length, whole and in pieces") {
  for (const uint16_t buffer : {uint16_t{2048}, uint16_t{64}, uint16_t{66}, uint16_t{100}}) {
    Ports p({access(100), trunk(100, 100), access(100)}, buffer);
    for (const size_t length :
         {14, 15, 18,  30,  46,  47,  59,  60,  61,  62,  63,  64,   65,   66,  67,
          68, 69, 100, 124, 127, 128, 129, 131, 132, 133, 256, 1500, 1518, 9000}) {
      const expect::Row row(std::to_string(buffer) + ", " + std::to_string(length));
      const Bytes sent = frame(0xff, 1, length, static_cast<uint8_t>(length));
      EXPECT(p[0].send(sent));
      EXPECT(p[1].expect_frame() == in_vlan(sent, 100));
      EXPECT(p[2].expect_frame() == sent);
      const Bytes priority = tagged(frame(0xff, 2, length), {kCustomer | 0xb000 | 100});
      EXPECT(p[1].send(priority));
      EXPECT(p[0].expect_frame() == frame(0xff, 2, length));
      EXPECT(p[2].expect_frame() == frame(0xff, 2, length));
    }
    p.expect_balance();
  }
}

TEST("priorities and service tags pass; what is inside another tag is payload") {
  Ports p({trunk(100, 200, 50), trunk(100, 200), access(50), access(100)});
  const Bytes plain = frame(0xff, 1);
  const std::vector<uint32_t> both{kService | 0x6000 | 150, kCustomer | 7};
  EXPECT(p[0].send(tagged(plain, both)));
  EXPECT(p[1].expect_frame() == tagged(plain, both));
  const std::vector<uint32_t> twice{kService | 100, kCustomer | 100, kCustomer | 9};
  EXPECT(p[0].send(tagged(plain, twice)));
  EXPECT(p[1].expect_frame() == tagged(plain, twice));
  EXPECT(p[3].expect_frame() == tagged(plain, {kCustomer | 100, kCustomer | 9}));
  // A priority without a VLAN is of the port's own.
  EXPECT(p[0].send(tagged(plain, {kCustomer | 0xe000})));
  EXPECT(p[2].expect_frame() == plain);
  EXPECT(p[2].send(tagged(plain, {kCustomer | 0xe000})));
  EXPECT(p[0].expect_frame() == plain);
  p.expect_nothing();
  p.expect_balance();
}

TEST("a priority without a VLAN leaves with the VLAN of the port that it came in by") {
  Ports p({access(100), trunk(1, 4094), trunk(1, 50, 200), trunk(200, 200)});
  const Bytes plain = frame(0xff, 1, 200);
  EXPECT(p[0].send(tagged(plain, {kCustomer | 0xa000})));
  EXPECT(p[1].expect_frame() == tagged(plain, {kCustomer | 0xa000 | 100}));
  EXPECT(p[2].send(tagged(plain, {kService | 0x6000})));
  EXPECT(p[1].expect_frame() == tagged(plain, {kService | 0x6000 | 200}));
  EXPECT(p[3].expect_frame() == tagged(plain, {kService | 0x6000 | 200}));
  p.expect_nothing();
  p.expect_balance();
}

TEST("frames of one pair of stations in several VLANs, mixed in a burst, each stay in their own") {
  Ports p({trunk(1, 4094), access(10), access(20), access(30)});
  // Nobody sees them before the last is in the ring.
  memif::Ring& ring = p[0].link().tx[0];
  uint16_t unseen = 0;
  uint16_t* const seen = std::exchange(ring.own_index, &unseen);
  const std::array<uint16_t, 7> order{10, 20, 10, 30, 30, 10, 20};
  for (uint8_t i = 0; i < 70; ++i) {
    EXPECT(p[0].send(in_vlan(frame(9, 1, 64, i), order[i % order.size()])));
  }
  ring.own_index = seen;
  memif::store_release(seen, unseen);
  Station::ring_if_asked(ring);
  for (uint8_t i = 0; i < 70; ++i) {
    EXPECT(p[order[i % order.size()] / 10].expect_frame() == frame(9, 1, 64, i));
  }
  p.expect_nothing();
  p.expect_balance();
}

TEST("a flooded frame loses its tag for one and keeps it for another, priority and all") {
  Ports p({trunk(100, 100), access(100), trunk(100, 100), access(100), trunk(100, 100)});
  const Bytes plain = frame(0xff, 1, 900);
  const Bytes sent = tagged(plain, {kCustomer | 0xa000 | 100});
  EXPECT(p[0].send(sent));
  EXPECT(p[1].expect_frame() == plain);
  EXPECT(p[2].expect_frame() == sent);
  EXPECT(p[3].expect_frame() == plain);
  EXPECT(p[4].expect_frame() == sent);
  p.expect_balance();
}

TEST("a tag counts for the MTU of the port that it leaves by") {
  Ports p({access(100), trunk(100, 100)});
  EXPECT(p.fixture.sw.set_port(p.ports[1], p.fixture.bridge, 0, 1518).ok());
  EXPECT(p[0].send(frame(0xff, 1, 1514)));
  EXPECT(p[1].expect_frame() == in_vlan(frame(0xff, 1, 1514), 100));
  EXPECT(p[0].send(frame(0xff, 1, 1515)));
  EXPECT_SOON(p.fixture.drops(p.ports[1], Drop::kTooLong) == 1);
  p.expect_balance();
}

TEST("VLANs of a live port change; static addresses have theirs") {
  Ports p({access(100), access(200), access(100)});
  Switch& sw = p.fixture.sw;
  const uint16_t bridge = p.fixture.bridge;
  EXPECT(sw.add_static_mac(bridge, mac(7), p.ports[0]).ok());
  EXPECT_EQ(sw.add_static_mac(bridge, with_vlan(mac(7), 300), p.ports[0]).code, Code::kInvalid);
  EXPECT(p[2].send(frame(7, 9)));
  EXPECT(p[0].expect_frame() == frame(7, 9));
  EXPECT(p[1].send(frame(7, 9)));
  EXPECT_SOON(p.fixture.drops(p.ports[1], Drop::kNoDestination) == 1);
  EXPECT(sw.set_policy(p.ports[2], {.vlans = access(200)}).ok());
  EXPECT(p[1].send(frame(7, 9)));
  EXPECT(p[2].expect_frame() == frame(7, 9));
  EXPECT(sw.set_policy(p.ports[0], {.vlans = access(200)}).ok());
  EXPECT(sw.set_policy(p.ports[2], {.vlans = access(100)}).ok());
  EXPECT(p[2].send(frame(7, 9)));  // the static address is behind a port that has left the VLAN
  EXPECT_SOON(p.fixture.drops(p.ports[0], Drop::kNotMember) == 1);
  bool removed = false;
  EXPECT(sw.remove_mac(bridge, mac(7), removed).ok());
  EXPECT(removed);
  p.expect_nothing();
  p.expect_balance();
}

TEST(
    "a port that comes from a bridge without VLANs has the first one, and leaves it behind again") {
  Ports p({access(1), access(100)});
  const uint16_t flat = p.fixture.add_bridge();
  const PortId port = p.fixture.add_port("x", {.bridge = flat});
  Station station(p.fixture.socket("x"));
  EXPECT(p.fixture.sw.set_port(port, p.fixture.bridge, 0, kMaxFrame).ok());
  EXPECT(station.send(frame(0xff, 1)));
  EXPECT(p[0].expect_frame() == frame(0xff, 1));
  EXPECT(p.fixture.sw.set_port(port, flat, 0, kMaxFrame).ok());
  const PortId other = p.fixture.add_port("y", {.bridge = flat});
  Station neighbour(p.fixture.socket("y"));
  EXPECT(station.send(in_vlan(frame(0xff, 1), 300)));
  EXPECT(neighbour.expect_frame() == in_vlan(frame(0xff, 1), 300));
  EXPECT_EQ(p.fixture.state(other).macs, 0);
  p.expect_nothing();
  p.expect_balance();
}
