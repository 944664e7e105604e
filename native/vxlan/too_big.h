// What a router answers to a packet that is too long for the next link: ICMP "fragmentation needed" (RFC 792, RFC 1191, 4)
// or ICMPv6 "packet too big" (RFC 4443, 3.2), in an Ethernet frame. A pure function of the frame.
//
// A bridge has no address to answer from, so the answer comes in the name of whom the packet was for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/frame.h"

namespace memswitch::vxlan {

// Of the frame, as many bytes as an answer looks at and quotes (RFC 4443, 2.4 (c): up to IPv6's least MTU).
inline constexpr uint32_t kTooBigHead = 14 + 4 + 1280 - 40 - 8;
// Ethernet, a VLAN tag, and IPv6's least MTU.
inline constexpr uint32_t kMaxTooBig = 14 + 4 + 1280;

// `head`: private, the first min(length, kTooBigHead) bytes of a frame; `longest`: bytes of the longest frame that passes.
// Writes to `to`, which has room for kMaxTooBig, and returns the answer's length; 0: none is due, as to what may be
// fragmented, to groups, to errors and to later fragments (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)).
uint32_t write_too_big(std::byte* to, std::span<const std::byte> head, uint32_t longest);

}  // namespace memswitch::vxlan
