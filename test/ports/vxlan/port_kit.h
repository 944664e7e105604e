// For tests of tunnels over a port of the switch: the other end, at that port's memif.
#pragma once

#include <functional>

#include "test/ports/vxlan/kit.h"
#include "vxlan/decapsulate.h"
#include "vxlan/encapsulate.h"
#include "vxlan/neighbor.h"
#include "vxlan/wire.h"

namespace memswitch::test {

inline constexpr Mac kOurs =
    0x0102'0000'0002;  // 02:00:00:00:02:01 as it lies in memory: 02 00 00 00 02 01

inline VxlanOptions over(PortId underlay, bool ipv4, uint16_t vlan = 0) {
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
        vxlan::read_neighbor(head(question), static_cast<uint32_t>(question.size()));
    EXPECT(message.has_value());
    EXPECT_EQ(message->sender.vlan, self.vlan);
    EXPECT(message->kind == vxlan::NeighborMessage::Kind::kQuestion);
    EXPECT(message->target == self.address);
    EXPECT(message->sender.address == other);
    EXPECT(message->sender.mac == theirs);
    Bytes reply(vxlan::kMaxNeighborFrame);
    reply.resize(
        vxlan::write_answer(reinterpret_cast<std::byte*>(reply.data()), self, {other, theirs}));
    EXPECT(station.send(reply));
  }
  void send(
      const Bytes& inner, const std::function<void(Bytes&)>& change = [](Bytes&) {}) {
    const vxlan::OuterTemplate outer({.source_mac = self.mac,
                                      .destination_mac = theirs,
                                      .vlan = self.vlan,
                                      .local = self.address,
                                      .remote = other,
                                      .port = 4789,
                                      .vni = 7});
    Bytes frame(vxlan::kOuterRoom);
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
  Mac theirs = kOurs;
};

struct Crossing {
  explicit Crossing(bool ipv4, uint16_t vlan = 0) : Crossing(over(kNoPort, ipv4, vlan)) {}
  explicit Crossing(VxlanOptions options) {
    fixture.add_port("a");
    nic = fixture.add_port("nic");
    options.vtep.underlay = nic;
    tunnel = fixture.add_port("", {.vxlan = options});
    far.emplace(fixture.socket("nic"), options.vtep.local.is_ipv4(), options.vtep.vlan);
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

}  // namespace memswitch::test
