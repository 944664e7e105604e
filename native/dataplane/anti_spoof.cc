#include "dataplane/anti_spoof.h"

#include <algorithm>

#include "dataplane/headers.h"
#include "dataplane/take_private.h"

namespace memswitch {

namespace {

template <typename Address>
bool lies_in(const std::vector<Senders::Range<Address>>& ranges, Address address) {
  const auto after = std::ranges::upper_bound(ranges, address, {}, &Senders::Range<Address>::first);
  return after != ranges.begin() && address <= std::prev(after)->last;
}

Senders::Ipv6 load_ipv6(const std::byte* at) {
  Senders::Ipv6 address = 0;
  for (size_t i = 0; i < 16; ++i) {
    address = address << 8 | std::to_integer<unsigned>(at[i]);
  }
  return address;
}

using Head = std::span<const std::byte>;

// What became of a look at the frame.
enum class Look : uint8_t { kFine, kSpoofedMac, kSpoofedIp, kNeedsMore };

uint8_t byte_at(Head head, size_t at) {
  return std::to_integer<uint8_t>(head[at]);
}

// The look at a frame whose bytes up to `end` are needed: is it possible?
class Reach {
 public:
  Reach(Head head, uint32_t length) : head_(head), length_(length) {}
  // What to say when bytes up to `end` are not there: those of the frame have not been asked for, or there are none.
  [[nodiscard]] bool has(size_t end) const { return end <= head_.size(); }
  [[nodiscard]] Look without(size_t end) const {
    const bool can_have = end <= length_ && end <= kPrivateBytes && head_.size() < kPrivateBytes;
    return can_have ? Look::kNeedsMore : Look::kSpoofedIp;
  }

 private:
  Head head_;
  uint32_t length_;
};

// RFC 826; reverse ARP has the same form (RFC 903).
Look look_at_arp(const Senders& senders, Head head, uint32_t length, size_t at, bool reverse) {
  constexpr size_t kArpBytes = 28;
  if (const Reach reach(head, length); !reach.has(at + kArpBytes)) {
    return reach.without(at + kArpBytes);
  }
  const std::byte* arp = head.data() + at;
  constexpr uint32_t kEthernetAndIpv4 = 0x0001'0800;
  constexpr uint16_t kLengths = 0x0604;
  if (load_be32(arp) != kEthernetAndIpv4 || load_be16(arp + 4) != kLengths) {
    return Look::kSpoofedIp;
  }
  if (!senders.has(load_mac_only(arp + 8))) {
    return Look::kSpoofedMac;
  }
  const uint32_t address = load_be32(arp + 14);
  const bool asks = reverse || load_be16(arp + 6) == 1;
  return (address == 0 && asks) || senders.has_ipv4(address) ? Look::kFine : Look::kSpoofedIp;
}

Look look_at_ipv4(const Senders& senders, Head head, size_t at) {
  constexpr size_t kIpv4Bytes = 20;
  if (head.size() < at + kIpv4Bytes || byte_at(head, at) >> 4 != 4) {
    return Look::kSpoofedIp;
  }
  const std::byte* ip = head.data() + at;
  const uint32_t source = load_be32(ip + 12);
  if (senders.has_ipv4(source)) {
    return Look::kFine;
  }
  constexpr uint32_t kFromDhcpClient = 68 << 16 | 67;
  const bool asks_dhcp = source == 0 && byte_at(head, at) == 0x45 && byte_at(head, at + 9) == 17 &&
                         (load_be16(ip + 6) & 0x3fff) == 0 && head.size() >= at + kIpv4Bytes + 4 &&
                         load_be32(ip + kIpv4Bytes) == kFromDhcpClient;
  return asks_dhcp ? Look::kFine : Look::kSpoofedIp;
}

// RFC 4861, 4; the numbers are those of IANA's registries.
enum NeighborMessage : uint8_t {
  kRouterSolicitation = 133,
  kRouterAdvertisement = 134,
  kSolicitation = 135,
  kAdvertisement = 136,
  kRedirect = 137
};
constexpr uint8_t kSourceLinkLayer = 1;
constexpr uint8_t kTargetLinkLayer = 2;

constexpr bool is_neighbor_discovery(uint8_t type) {
  return type >= kRouterSolicitation && type <= kRedirect;
}

// What a host without an address sends, besides: reports of its groups (RFC 2710, RFC 3810).
constexpr bool may_come_from_nobody(uint8_t type) {
  return type == kRouterSolicitation || type == kSolicitation || type == 131 || type == 132 ||
         type == 143;
}

// Where a message's options begin.
constexpr size_t options_of(uint8_t type) {
  switch (type) {
    case kRouterSolicitation:
      return 8;
    case kRouterAdvertisement:
      return 16;
    case kRedirect:
      return 40;
    default:
      return 24;
  }
}

// The message at `at`, of which the packet has all up to `end`.
Look look_at_discovery(const Senders& senders, Head head, size_t at, size_t end, bool from_nobody) {
  const uint8_t type = byte_at(head, at);
  size_t option = at + options_of(type);
  if (option > end) {
    return Look::kSpoofedIp;
  }
  const bool claims = type == kAdvertisement || (type == kSolicitation && from_nobody);
  if (claims && !senders.has_ipv6(load_ipv6(head.data() + at + 8))) {
    return Look::kSpoofedIp;
  }
  const uint8_t own = type == kAdvertisement ? kTargetLinkLayer : kSourceLinkLayer;
  while (option < end) {
    if (end - option < 8 || byte_at(head, option + 1) == 0) {
      return Look::kSpoofedIp;
    }
    if (byte_at(head, option) == own && !senders.has(load_mac_only(head.data() + option + 2))) {
      return Look::kSpoofedMac;
    }
    option += size_t{byte_at(head, option + 1)} * 8;
  }
  return Look::kFine;
}

// What follows the IPv6 header, once extension headers are passed (RFC 8200, 4).
struct Upper {
  uint8_t protocol;
  size_t at;
  bool extended = false;    // it came after an extension header
  bool fragmented = false;  // it is the first fragment of several, or the only one
  bool unseen = false;      // a later fragment, or encrypted
};

constexpr uint8_t kIcmpv6 = 58;

// False: the chain goes on at or behind `upper.at`, where the head ends.
bool pass_extensions(Head head, Upper& upper) {
  for (;;) {
    const uint8_t protocol = upper.protocol;
    const bool known = protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 ||
                       protocol == 60 || protocol == 135 || protocol == 139 || protocol == 140;
    if (!known) {
      return true;
    }
    constexpr size_t kSmallest = 8;
    if (head.size() < upper.at + kSmallest) {
      upper.at += kSmallest;
      return false;
    }
    upper.extended = true;
    upper.protocol = byte_at(head, upper.at);
    if (protocol == 44) {
      upper.fragmented = true;
      if ((load_be16(head.data() + upper.at + 2) & 0xfff8) != 0) {
        upper.unseen = true;
        return true;
      }
      upper.at += kSmallest;
    } else {
      const size_t units = byte_at(head, upper.at + 1);
      upper.at += protocol == 51 ? (units + 2) * 4 : (units + 1) * 8;
    }
  }
}

Look look_at_ipv6(const Senders& senders, Head head, uint32_t length, size_t at) {
  constexpr size_t kIpv6Bytes = 40;
  const Reach reach(head, length);
  if (!reach.has(at + kIpv6Bytes)) {
    return reach.without(at + kIpv6Bytes);
  }
  if (byte_at(head, at) >> 4 != 6) {
    return Look::kSpoofedIp;
  }
  const Senders::Ipv6 source = load_ipv6(head.data() + at + 8);
  const bool from_nobody = source == 0;
  if (!from_nobody && !senders.has_ipv6(source)) {
    return Look::kSpoofedIp;
  }
  Upper upper{.protocol = byte_at(head, at + 6), .at = at + kIpv6Bytes};
  if (!pass_extensions(head, upper)) {
    return reach.without(upper.at);
  }
  if (upper.unseen || upper.protocol != kIcmpv6) {
    return from_nobody && !senders.any_ip ? Look::kSpoofedIp : Look::kFine;
  }
  if (!reach.has(upper.at + 1)) {
    return reach.without(upper.at + 1);
  }
  const uint8_t type = byte_at(head, upper.at);
  if (from_nobody && !senders.any_ip && !may_come_from_nobody(type)) {
    return Look::kSpoofedIp;
  }
  if (!is_neighbor_discovery(type)) {
    return Look::kFine;
  }
  const size_t end = at + kIpv6Bytes + load_be16(head.data() + at + 4);
  if (upper.extended || end > length) {
    return Look::kSpoofedIp;
  }
  return reach.has(end) ? look_at_discovery(senders, head, upper.at, end, from_nobody)
                        : reach.without(end);
}

// What follows up to two tags; false: the frame ends before, or there are more.
bool find_type(Head head, size_t& at, uint16_t& type) {
  at = kTypeAt;
  for (int tags = 0; tags <= 2; ++tags, at += kTagBytes) {
    if (head.size() < at + 2) {
      return false;
    }
    type = load_be16(head.data() + at);
    if (!is_tag(type)) {
      at += 2;
      return true;
    }
  }
  return false;
}

Look look(const Senders& senders, Head head, uint32_t length) {
  size_t at = 0;
  uint16_t type = 0;
  if (!find_type(head, at, type)) {
    return Look::kSpoofedIp;
  }
  switch (type) {
    case kEtherIpv4:
      return senders.any_ip ? Look::kFine : look_at_ipv4(senders, head, at);
    case kEtherIpv6:
      return look_at_ipv6(senders, head, length, at);
    case kEtherArp:
    case kEtherRarp:
      return look_at_arp(senders, head, length, at, type == kEtherRarp);
    default: {
      constexpr uint16_t kSnap = 0xaaaa;  // RFC 1042: IP and ARP in another wrapping
      const bool snap =
          type < kFirstEtherType && head.size() >= at + 2 && load_be16(head.data() + at) == kSnap;
      return snap ? Look::kSpoofedIp : Look::kFine;
    }
  }
}

}  // namespace

bool Senders::has(Mac mac) const {
  return macs.empty() || std::ranges::binary_search(macs, mac);
}

bool Senders::has_ipv4(uint32_t address) const {
  return any_ip || lies_in(ipv4, address);
}

bool Senders::has_ipv6(Ipv6 address) const {
  return any_ip || lies_in(ipv6, address);
}

std::optional<Drop> find_spoof(const Senders& senders, std::span<const std::byte> head,
                               uint32_t length, bool& needs_more) {
  const Look found = look(senders, head, length);
  needs_more = found == Look::kNeedsMore;
  switch (found) {
    case Look::kSpoofedMac:
      return Drop::kSpoofedMac;
    case Look::kSpoofedIp:
      return Drop::kSpoofedIp;
    default:
      return std::nullopt;
  }
}

}  // namespace memswitch
