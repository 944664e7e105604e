// A number that is equal for all frames of one flow and spreads different flows: the source port of a tunnel's datagrams is
// made of it, so that the underlay's equal paths and a receiver's queues share the load (RFC 7348, 4.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace memswitch::vxlan {

// Of a frame's private first bytes: addresses of Ethernet; of IPv4 and IPv6 also addresses, protocol and, in a datagram that
// is whole, the ports of TCP, UDP and SCTP.
uint32_t flow_hash(std::span<const std::byte> head);

// The inner packet's DSCP at its place in the TOS byte or traffic class; 0: it is not IP. ECN is left out, as RFC 6040 wants of
// a tunnel that does not carry it back at its end.
uint8_t inner_dscp(std::span<const std::byte> head);

}  // namespace memswitch::vxlan
