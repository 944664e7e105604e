// Places and values in a frame's headers, as the stages that look beyond addresses need them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/frame.h"

namespace memswitch {

inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherRarp = 0x8035;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr uint16_t kFirstEtherType = 0x0600;  // below: a length (IEEE 802.3, 3.2.6)

// IEEE 802.1Q, table 9-1: tags of customers and of services.
inline constexpr uint16_t kCustomerTag = 0x8100;
inline constexpr uint16_t kServiceTag = 0x88a8;
inline constexpr uint32_t kTypeAt = 12;  // of the first type or tag
inline constexpr uint32_t kTagBytes = 4;

constexpr bool is_tag(uint16_t type) {
  return type == kCustomerTag || type == kServiceTag;
}

constexpr uint16_t load_be16(const std::byte* at) {
  return static_cast<uint16_t>(std::to_integer<unsigned>(at[0]) << 8 |
                               std::to_integer<unsigned>(at[1]));
}

constexpr uint32_t load_be32(const std::byte* at) {
  return uint32_t{load_be16(at)} << 16 | load_be16(at + 2);
}

inline void store_be32(std::byte* at, uint32_t value) {
  for (int i = 3; i >= 0; --i, value >>= 8) {
    at[i] = static_cast<std::byte>(value & 0xff);
  }
}

// The Ethernet address at `at`, of which nothing behind can be read.
inline Mac load_mac_only(const std::byte* at) {
  Mac mac = 0;
  std::memcpy(&mac, at, 6);
  return mac;
}

}  // namespace memswitch
