// The other end of a tunnel, where a switch's underlay is: what the load sends from there goes in outer headers, what comes
// there carries them, and who asks for its address is answered. As bench/tunnel.ts sets the switches up.
#pragma once

#include <algorithm>

#include "vxlan/encapsulate.h"
#include "vxlan/neighbor.h"
#include "vxlan/wire.h"

namespace memswitch::bench {

class TunnelEnd {
 public:
  static constexpr uint32_t kHeaders = 14 + vxlan::overhead(true);

  // Writes the headers; returns where the inner frame begins.
  std::byte* wrap(std::byte* frame, uint32_t inner_length) const {
    outer_.write(frame, {.inner_length = inner_length, .source_port = 50'000});
    return frame + kHeaders;
  }

  // Answers a question for us; anything else is nobody's.
  template <typename Port>
  void answer(Port& port, const std::byte* frame, uint32_t length) const {
    const std::span head(frame, std::min(length, vxlan::kMaxNeighborFrame));
    const auto message = vxlan::read_neighbor(head, length);
    if (!message || message->target != self_.address ||
        message->kind != vxlan::NeighborMessage::Kind::kQuestion) {
      return;
    }
    port.look();
    if (std::byte* const to = port.claim(kAnswer); to != nullptr) {
      vxlan::write_answer(to, self_, message->sender);
      port.flush();
    }
  }

 private:
  static constexpr uint32_t kAnswer = 42;  // Ethernet and ARP

  static IpAddress address(const char* text) {
    IpAddress address;
    IpAddress::parse(text, address);
    return address;
  }

  const vxlan::Station self_{address("192.0.2.2"), 0x0202'0000'0002, 0};
  const vxlan::OuterTemplate outer_{{.source_mac = self_.mac,
                                     .destination_mac = 0x0102'0000'0002,
                                     .local = self_.address,
                                     .remote = address("192.0.2.1"),
                                     .port = vxlan::kUdpPort,
                                     .vni = 7}};
};

}  // namespace memswitch::bench
