#include "vxlan/flow.h"

#include <array>

#include "vxlan/wire.h"

namespace memswitch::vxlan {

namespace {

class Mix {
 public:
  template <size_t N>
  void add(const std::byte* at) {
    static_assert(N % 4 == 0);
#pragma GCC unroll 4
    for (size_t i = 0; i + 8 <= N; i += 8) {
      mix(read<uint64_t>(at + i));
    }
    if constexpr (N % 8 != 0) {
      mix(read<uint32_t>(at + N - 4));
    }
  }
  [[nodiscard]] uint32_t value() const {
    return static_cast<uint32_t>(state_ ^ state_ >> 29);
  }

 private:
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * 0x9e37'79b9'7f4a'7c15;
    state_ ^= state_ >> 32;
  }

  uint64_t state_ = 0x243f'6a88'85a3'08d3;
};

constexpr uint8_t kTcp = 6;
constexpr uint8_t kSctp = 132;
constexpr bool has_ports(uint8_t protocol) {
  return protocol == kTcp || protocol == kIpUdp || protocol == kSctp;
}

uint16_t word_at(std::span<const std::byte> head, size_t at) {
  return swap16(read<uint16_t>(head.data() + at));
}

void add_ports(Mix& mix, std::span<const std::byte> head, size_t at, uint8_t protocol) {
  mix.add<4>((std::array<std::byte, 4>{std::byte{protocol}}).data());
  if (has_ports(protocol) && at + 4 <= head.size()) {
    mix.add<4>(head.data() + at);
  }
}

// Where the inner packet begins, and its type.
struct Inner {
  uint16_t type = 0;
  size_t at = sizeof(Ethernet);
};

Inner inner_of(std::span<const std::byte> head) {
  Inner inner{.type = word_at(head, 12)};
  if (inner.type == kEtherVlan && head.size() >= inner.at + sizeof(VlanTag)) {
    inner.type = word_at(head, inner.at + 2);
    inner.at += sizeof(VlanTag);
  }
  return inner;
}

}  // namespace

uint32_t flow_hash(std::span<const std::byte> head) {
  if (head.size() < sizeof(Ethernet)) {
    return 0;
  }
  Mix mix;
  mix.add<12>(head.data());
  const auto [type, at] = inner_of(head);
  if (type == kEtherIpv4 && head.size() >= at + sizeof(Ipv4)) {
    const auto ip = read<Ipv4>(head.data() + at);
    mix.add<8>(head.data() + at + offsetof(Ipv4, source));
    // A later fragment has no ports, so the first must not use them either: fragments of a datagram stay together.
    const bool whole = (swap16(ip.fragment) & kMoreOrOffset) == 0;
    add_ports(mix, head, whole ? at + (ip.version_length & 0xfU) * 4 : head.size(), ip.protocol);
  } else if (type == kEtherIpv6 && head.size() >= at + sizeof(Ipv6)) {
    const auto ip = read<Ipv6>(head.data() + at);
    mix.add<32>(head.data() + at + offsetof(Ipv6, source));
    add_ports(mix, head, at + sizeof(Ipv6), ip.next_header);
  }
  return mix.value();
}

uint8_t inner_dscp(std::span<const std::byte> head) {
  constexpr uint8_t kDscp = 0xfc;
  if (head.size() < sizeof(Ethernet)) {
    return 0;
  }
  const auto [type, at] = inner_of(head);
  if (type == kEtherIpv4 && head.size() >= at + 2) {
    return static_cast<uint8_t>(head[at + 1]) & kDscp;
  }
  if (type == kEtherIpv6 && head.size() >= at + 2) {
    return static_cast<uint8_t>(word_at(head, at) >> 4) & kDscp;
  }
  return 0;
}

}  // namespace memswitch::vxlan
