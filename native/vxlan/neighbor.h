// Who has an address on the underlay's Ethernet: what is asked, and what is said. ARP (RFC 826) and Neighbour Discovery
// (RFC 4861), as pure functions of frames.
#pragma once

#include <optional>
#include <span>

#include "dataplane/frame.h"
#include "vxlan/ip_address.h"

namespace memswitch::vxlan {

// Ethernet, a VLAN tag, IPv6, a Neighbour Solicitation with its one option.
inline constexpr uint32_t kMaxNeighborFrame = 14 + 4 + 40 + 24 + 8;

struct Station {
  IpAddress address;
  Mac mac = 0;
  uint16_t vlan = 0;  // 0: untagged
};

// Something said about who is where.
struct NeighborMessage {
  enum class Kind : uint8_t { kQuestion, kAnswer };
  Kind kind;
  Station sender;       // also of an answer: whom it is about; its VLAN is the frame's
  IpAddress target;     // who is asked for
  bool router = false;  // as an answer of IPv6 says
};

// None: the frame is something else, or malformed.
std::optional<NeighborMessage> read_neighbor(std::span<const std::byte> head, uint32_t length);

// Both write the frame to `to`, which has room for kMaxNeighborFrame, and return its length. `router`: whether `self` is
// one, which IPv6 tells with every answer (RFC 4861, 4.4).
uint32_t write_question(std::byte* to, const Station& self, const IpAddress& target);
uint32_t write_answer(std::byte* to, const Station& self, const Station& asker,
                      bool router = false);

}  // namespace memswitch::vxlan
