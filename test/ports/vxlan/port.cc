// Tunnels over a port of the switch, with the other end at its memif.
#include "test/ports/vxlan/port_kit.h"

using namespace memswitch;
using namespace memswitch::test;

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
      for (const size_t length : {14, 60, 64, 65, 127, 128, 129, 200, 1514, 5000}) {
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
          vxlan::read_neighbor(Far::head(answer), static_cast<uint32_t>(answer.size()));
      EXPECT(message.has_value());
      EXPECT(message->kind == vxlan::NeighborMessage::Kind::kAnswer);
      EXPECT(message->sender.address == far.other);
      EXPECT(message->sender.mac == kOurs);
      EXPECT_EQ(message->sender.vlan, vlan);
      EXPECT(crossing.near->send(frame(2, 1, 9000)));
      EXPECT_SOON(crossing.fixture.drops(crossing.tunnel, Drop::kTooLong) == 1);
      EXPECT_SOON(crossing.imbalance() == 0);
    }
  }
}

namespace {

// A header over IPv4 was changed: its checksum is made anew, UDP's left out.
void finish(Bytes& f) {
  f[24] = f[25] = f[40] = f[41] = 0;
  vxlan::Checksum sum;
  sum.add(f.data() + 14, 20);
  const uint16_t complement = sum.complement();
  std::memcpy(f.data() + 24, &complement, sizeof complement);
}

}  // namespace

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
      {"a first fragment", [](Bytes& f) { f[20] |= 0x20, finish(f); }, Drop::kFragment},
      {"a later fragment", [](Bytes& f) { f[21] = 1, finish(f); }, Drop::kFragment},
      {"to another address", [](Bytes& f) { f[33] = 7, finish(f); }, Drop::kWrongVtep},
      {"from a stranger", [](Bytes& f) { f[29] = 7, finish(f); }, Drop::kUnknownRemote},
      {"another protocol", [](Bytes& f) { f[23] = 6, finish(f); }, Drop::kNotTunnel},
      {"another UDP port", [](Bytes& f) { f[37] ^= 1, finish(f); }, Drop::kNotTunnel},
      {"longer than it is", [](Bytes& f) { ++f[17], finish(f); }, Drop::kBadOuterLength},
      {"UDP longer than IP", [](Bytes& f) { ++f[39], finish(f); }, Drop::kBadOuterLength},
      {"UDP shorter than its header", [](Bytes& f) { f[39] = 7, finish(f); },
       Drop::kBadOuterLength},
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

TEST("vxlan over a port: headers of IPv4 with options, of any length, are taken off") {
  Crossing crossing(true);
  for (const size_t words : {6, 7, 10, 15}) {
    const expect::Row row(std::to_string(words) + " words");
    crossing.far->send(frame(1, 2, 150), [words](Bytes& f) {
      const size_t options = (words - 5) * 4;
      f.insert(f.begin() + 34, options, 1);  // no operation
      f[14] = static_cast<uint8_t>(0x40 | words);
      f[17] = static_cast<uint8_t>(f[17] + options);  // of 186
      f[24] = f[25] = 0;
      vxlan::Checksum sum;
      sum.add(f.data() + 14, words * 4);
      const uint16_t complement = sum.complement();
      std::memcpy(f.data() + 24, &complement, sizeof complement);
    });
    EXPECT(crossing.near->expect_frame() == frame(1, 2, 150));
  }
  EXPECT_SOON(crossing.imbalance() == 0);
}

TEST("vxlan over a port: over IPv6 a missing checksum is refused where checksums are made") {
  for (const bool sums : {true, false}) {
    const expect::Row row(sums ? "with checksums" : "without");
    VxlanOptions options = over(kNoPort, false);
    options.vtep.udp_checksum = sums;
    Crossing crossing(options);
    crossing.far->send(frame(1, 2), [](Bytes& f) { f[60] = f[61] = 0; });
    if (sums) {
      EXPECT_SOON(crossing.fixture.drops(crossing.nic, Drop::kBadOuterChecksum) == 1);
    } else {
      EXPECT(crossing.near->expect_frame() == frame(1, 2));
    }
    EXPECT_SOON(crossing.imbalance() == 0);
  }
}

TEST("vxlan over a port: the port leaves its bridge for as long as it carries tunnels") {
  Crossing crossing(true);
  Switch& sw = crossing.fixture.sw;
  EXPECT(sw.remove_port(crossing.nic).code == Code::kInUse);
  PortId other = kNoPort;
  VxlanOptions second = over(crossing.nic, true);
  second.vni = 8;
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

TEST("vxlan over a port: a neighbour that is given is never asked for, and nobody changes it") {
  for (const bool ipv4 : {true, false}) {
    const expect::Row row(ipv4 ? "IPv4" : "IPv6");
    VxlanOptions options = over(kNoPort, ipv4);
    options.vtep.neighbors = {{options.remotes[0], mac(8)}};
    Crossing crossing(options);
    EXPECT(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
    const auto expect_sent = [&] {
      EXPECT(crossing.near->send(frame(2, 1)));
      const Bytes sent = crossing.far->station.expect_frame();
      EXPECT(Bytes(sent.begin(), sent.begin() + 6) == (Bytes{2, 0, 0, 0, 0, 8}));
    };
    expect_sent();
    // Somebody says that he has the address; he is answered, and no more.
    Bytes question(vxlan::kMaxNeighborFrame);
    question.resize(vxlan::write_question(reinterpret_cast<std::byte*>(question.data()),
                                          crossing.far->self, crossing.far->other));
    EXPECT(crossing.far->station.send(question));
    const Bytes answer = crossing.far->station.expect_frame();
    EXPECT(vxlan::read_neighbor(Far::head(answer), static_cast<uint32_t>(answer.size())));
    expect_sent();
    EXPECT_SOON(crossing.imbalance() == 0);
  }
}

TEST(
    "vxlan over a port: what is said on another VLAN, or asks for another, changes and gets "
    "nothing") {
  Crossing crossing(true);
  Far& far = *crossing.far;
  EXPECT(crossing.near->send(frame(2, 1)));
  far.answer_question();
  EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
  const auto ask = [&](const vxlan::Station& self, const char* target) {
    Bytes question(vxlan::kMaxNeighborFrame);
    question.resize(
        vxlan::write_question(reinterpret_cast<std::byte*>(question.data()), self, ip(target)));
    EXPECT(far.station.send(question));
  };
  const uint64_t before = crossing.fixture.count(crossing.nic, &PortCounters::consumed);
  ask({far.self.address, mac(8), 5}, "192.0.2.1");
  ask({ip("192.0.2.7"), mac(8), 0}, "192.0.2.9");
  EXPECT_SOON(crossing.fixture.count(crossing.nic, &PortCounters::consumed) == before + 2);
  EXPECT(crossing.near->send(frame(2, 1)));
  EXPECT(far.station.expect_frame()[5] == 2);  // before any answer, and where it was
  EXPECT(!far.station.receive().has_value());
  ask({far.self.address, mac(8), 0}, "192.0.2.1");
  EXPECT(far.station.expect_frame()[5] == 8);
  EXPECT(crossing.near->send(frame(2, 1)));
  EXPECT(far.station.expect_frame()[5] == 8);
  EXPECT_SOON(crossing.imbalance() == 0);
}

TEST("vxlan over a port: a remote that was removed is a stranger from its next frame on") {
  Crossing crossing(true);
  crossing.far->send(frame(1, 2));
  EXPECT(crossing.near->expect_frame() == frame(1, 2));
  EXPECT(crossing.fixture.sw.remove_remote(crossing.tunnel, ip("192.0.2.2")).ok());
  crossing.far->send(frame(1, 2));
  EXPECT_SOON(crossing.fixture.drops(crossing.nic, Drop::kUnknownRemote) == 1);
  EXPECT(!crossing.near->receive().has_value());
  EXPECT_SOON(crossing.imbalance() == 0);
}

TEST("vxlan over a port: remotes behind one gateway, and tunnels to one remote, are kept apart") {
  Fixture fixture;
  const PortId nic = fixture.add_port("nic");
  fixture.add_port("a");
  const uint16_t other = fixture.add_bridge();
  fixture.add_port("b", {.bridge = other});
  VxlanOptions options = over(nic, true);
  options.vtep.gateway = ip("192.0.2.2");
  options.vtep.neighbors = {{ip("192.0.2.2"), mac(2)}};
  options.remotes = {ip("198.51.100.9"), ip("198.51.100.10")};
  fixture.add_port("", {.vxlan = options});
  options.vni = 8;
  options.remotes = {ip("198.51.100.10")};
  fixture.add_port("", {.bridge = other, .vxlan = options});
  Far gateway(fixture.socket("nic"), true);
  Station a(fixture.socket("a"));
  Station b(fixture.socket("b"));
  const auto expect_sent = [&](uint8_t vni, uint8_t last) {
    const Bytes sent = gateway.station.expect_frame();
    EXPECT_EQ(sent[33], last);
    EXPECT_EQ(sent[48], vni);
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT(a.send(frame(0xff, 1)));
    expect_sent(7, 9);
    expect_sent(7, 10);
    EXPECT(b.send(frame(0xff, 1)));
    expect_sent(8, 10);
  }
}

TEST("vxlan over a port: several VTEPs share it, each with its address, VLAN and neighbours") {
  Fixture fixture;
  const PortId nic = fixture.add_port("nic");
  std::vector<std::unique_ptr<Station>> near;
  const auto add = [&](const VxlanOptions& options, const char* name) {
    const uint16_t bridge = fixture.add_bridge();
    fixture.add_port(name, {.bridge = bridge});
    const PortId tunnel = fixture.add_port("", {.bridge = bridge, .vxlan = options});
    near.push_back(std::make_unique<Station>(fixture.socket(name)));
    return tunnel;
  };
  VxlanOptions second = over(nic, true);
  second.vtep.local = ip("192.0.2.9");
  second.vtep.mac = mac(9);
  add(over(nic, true), "a");
  const PortId middle = add(second, "b");
  add(over(nic, false, 100), "c");
  std::optional<Far> far(std::in_place, fixture.socket("nic"), true);
  const auto meet = [&](const vxlan::Station& self, const vxlan::Station& theirs) {
    far->self = self;
    far->other = theirs.address;
    far->theirs = theirs.mac;
  };
  const vxlan::Station here4{ip("192.0.2.2"), mac(2), 0};
  const vxlan::Station here6{ip("2001:db8::2"), mac(2), 100};
  const std::pair<vxlan::Station, vxlan::Station> pairs[] = {
      {here4, {ip("192.0.2.1"), kOurs, 0}},
      {here4, {ip("192.0.2.9"), mac(9), 0}},
      {here6, {ip("2001:db8::1"), kOurs, 100}}};
  for (size_t i = 0; i < 3; ++i) {
    const expect::Row row("VTEP " + std::to_string(i));
    meet(pairs[i].first, pairs[i].second);
    EXPECT(near[i]->send(frame(2, 1)));
    far->answer_question();
    EXPECT_SOON(fixture.sw.tunnels()[i].remotes[0].reachable);
    EXPECT(near[i]->send(frame(2, 1, 100)));
    EXPECT(far->expect_inner() == frame(2, 1, 100));
    far->send(frame(1, 2));
    EXPECT(near[i]->expect_frame() == frame(1, 2));
    for (size_t other = 0; other < 3; ++other) {
      EXPECT(!near[other]->receive().has_value());
    }
  }
  meet(here4, {ip("192.0.2.8"), kOurs, 0});
  far->send(frame(1, 2));
  EXPECT_SOON(fixture.drops(nic, Drop::kWrongVtep) == 1);
  // One goes: its frames are nobody's, the others' still theirs.
  EXPECT(fixture.sw.remove_port(middle).ok());
  meet(pairs[1].first, pairs[1].second);
  far->send(frame(1, 2));
  EXPECT_SOON(fixture.drops(nic, Drop::kNotTunnel) == 1);
  meet(pairs[2].first, pairs[2].second);
  far->send(frame(1, 2));
  EXPECT(near[2]->expect_frame() == frame(1, 2));
  // One address has one Ethernet address.
  VxlanOptions third = over(nic, true);
  third.vtep.port = 4790;
  third.vtep.mac = mac(8);
  PortId port = kNoPort;
  EXPECT(fixture.sw.add_port({.bridge = fixture.bridge, .vxlan = third}, port).code ==
         Code::kInUse);
  third.vtep.mac = kOurs;
  EXPECT(fixture.sw.add_port({.bridge = fixture.bridge, .vxlan = third}, port).ok());
}

TEST("vxlan over a port: a remote of IPv4 in IPv6's clothes is refused, and so is what it asks") {
  VxlanOptions options = over(kNoPort, false);
  options.learn_remotes = true;
  Crossing crossing(options);
  Far& far = *crossing.far;
  far.self.address = ip("::ffff:192.0.2.2");
  far.send(frame(1, 2));
  EXPECT_SOON(crossing.fixture.drops(crossing.nic, Drop::kNotTunnel) == 1);
  EXPECT_EQ(crossing.fixture.sw.tunnels()[0].remotes.size(), 1U);
}
