// The headers around a tunnelled frame as they lie on the wire, every field in network order:
//
//   Ethernet [VLAN tag] | IPv4 or IPv6 | UDP | VXLAN | the inner frame
//
// RFC 791 (IPv4), 8200 (IPv6), 768 (UDP), 7348 (VXLAN), 826 (ARP), 4861 (Neighbour Discovery).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vxlan/ip_address.h"

namespace memswitch::vxlan {

constexpr uint16_t swap16(uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr uint32_t swap32(uint32_t value) {
  return __builtin_bswap32(value);
}

inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherVlan = 0x8100;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr uint8_t kIpUdp = 17;
inline constexpr uint8_t kIpv6Fragment = 44;
inline constexpr uint8_t kIpv6Icmp = 58;

struct [[gnu::packed]] Ethernet {
  std::array<std::byte, 6> destination;
  std::array<std::byte, 6> source;
  uint16_t type;
};
static_assert(sizeof(Ethernet) == 14);

struct [[gnu::packed]] VlanTag {  // after the addresses, where the type would stand
  uint16_t control;               // priority 3, DEI 1, VLAN 12
  uint16_t type;
};
static_assert(sizeof(VlanTag) == 4);

struct [[gnu::packed]] Ipv4 {
  uint8_t version_length;  // 4, and the header's length in words of 32 bits
  uint8_t tos;
  uint16_t total_length;
  uint16_t id;
  uint16_t fragment;  // flags 3, offset 13
  uint8_t ttl;
  uint8_t protocol;
  uint16_t checksum;
  std::array<std::byte, 4> source;
  std::array<std::byte, 4> destination;
};
static_assert(sizeof(Ipv4) == 20);

inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kMoreOrOffset = 0x3fff;  // "more fragments", or not the first one

struct [[gnu::packed]] Ipv6 {
  uint32_t version_class_flow;  // 6, traffic class 8, flow label 20
  uint16_t payload_length;
  uint8_t next_header;
  uint8_t hop_limit;
  std::array<std::byte, 16> source;
  std::array<std::byte, 16> destination;
};
static_assert(sizeof(Ipv6) == 40);

struct [[gnu::packed]] Udp {
  uint16_t source;
  uint16_t destination;
  uint16_t length;  // header and data
  uint16_t checksum;
};
static_assert(sizeof(Udp) == 8);

struct [[gnu::packed]] Vxlan {
  uint32_t flags;  // "I" and reserved bits
  uint32_t vni;    // the upper 24 bits; the rest reserved
};
static_assert(sizeof(Vxlan) == 8);

inline constexpr uint32_t kFlagVni = 0x0800'0000;  // RFC 7348, 5: "I", the VNI is valid
inline constexpr uint32_t kMaxVni = 0xff'ffff;
inline constexpr uint16_t kUdpPort = 4789;

// Of what a tunnel adds to a frame inside Ethernet: the inner MTU is that much smaller than the underlay's.
constexpr uint32_t overhead(bool ipv4) {
  return static_cast<uint32_t>(ipv4 ? sizeof(Ipv4) : sizeof(Ipv6)) +
         static_cast<uint32_t>(sizeof(Udp) + sizeof(Vxlan));
}

constexpr Vxlan vxlan_header(uint32_t vni) {
  return {swap32(kFlagVni), swap32(vni << 8)};
}

// Headers lie anywhere in a frame: a copy out of its bytes, and one into them, with the place behind it.
template <typename Header>
Header read(const std::byte* at) {
  Header header;
  std::memcpy(&header, at, sizeof header);
  return header;
}

template <typename Header>
std::byte* put(std::byte* at, const Header& header) {
  std::memcpy(at, &header, sizeof header);
  return at + sizeof header;
}

}  // namespace memswitch::vxlan
