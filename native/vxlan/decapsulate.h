// Out of an underlay's frame, the frame inside. A pure function of the frame's first bytes, which the caller has made
// private before: a peer can change its memory at any time.
//
// Everything is checked that the RFCs give a receiver to check, and each failure has its drop reason. Reserved bits of the
// VXLAN header are ignored (RFC 7348, 5).
#pragma once

#include <optional>
#include <span>

#include "dataplane/drops.h"
#include "dataplane/frame.h"
#include "vxlan/checksum.h"
#include "vxlan/ip_address.h"

namespace memswitch::vxlan {

// Ethernet, a VLAN tag, IPv4 with all options it can have, UDP, VXLAN: 14 + 4 + 60 + 8 + 8.
inline constexpr uint32_t kMaxOuter = 94;

// What a VTEP listens to.
struct Endpoint {
  IpAddress local;
  uint16_t port;                // UDP's destination
  uint16_t vlan = 0;            // of the underlay; 0: untagged
  bool zero_checksum6 = false;  // takes UDP over IPv6 without a checksum (RFC 6935)
};

struct Decapsulated {
  std::optional<Drop> drop;  // with it, nothing below holds
  IpAddress source;
  uint32_t vni;
  uint32_t inner;   // offset of the inner frame
  uint32_t length;  // and its length; what the underlay padded is left out
  std::optional<Checksum> checksum =
      {};  // of all before the inner frame; none: the sender made none
};

// `head` holds the first min(length, kMaxOuter) bytes of a frame of `length` bytes.
Decapsulated decapsulate(std::span<const std::byte> head, uint32_t length,
                         const Endpoint& endpoint);

// Of the eight bytes of a VXLAN header: the VNI, or none when it is not valid.
std::optional<uint32_t> vni_of(const std::byte* header);

}  // namespace memswitch::vxlan
