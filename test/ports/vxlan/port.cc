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
