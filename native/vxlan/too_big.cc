#include "vxlan/too_big.h"

#include <algorithm>
#include <cstring>

#include "vxlan/checksum.h"
#include "vxlan/wire.h"

namespace memswitch::vxlan {

namespace {

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kTtl = 64;
constexpr uint8_t kUnreachable = 3;
constexpr uint8_t kFragmentationNeeded = 4;
constexpr uint8_t kPacketTooBig = 2;
constexpr uint8_t kFirstIcmp6Query = 128;       // RFC 4443, 2.1: errors are below
constexpr uint32_t kMaxQuoted4 = 576 - 20 - 8;  // RFC 1812, 4.3.2.3
constexpr uint32_t kMaxQuoted6 = 1280 - 40 - 8;

struct [[gnu::packed]] Icmp {
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint32_t mtu;  // IPv4: the upper half is unused
};
static_assert(sizeof(Icmp) == 8);

// RFC 792, RFC 1122: types that tell of errors, to which nobody answers with another.
bool is_error4(uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_host4(const std::array<std::byte, 4>& address) {
  const auto first = static_cast<uint8_t>(address[0]);
  return first != 0 && first != 127 && first < 224;
}

bool is_host6(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast() && !address.is_ipv4();
}

// Whether the packet is one that a router would have to answer.
bool deserves_answer(const Ipv4& ip, std::span<const std::byte> packet) {
  const size_t header_length = (ip.version_length & 0xfU) * 4;
  if (ip.version_length >> 4 != 4 || header_length < sizeof ip || packet.size() <= header_length ||
      !is_host4(ip.source) || !is_host4(ip.destination)) {
    return false;
  }
  Checksum sum;
  sum.add(packet.data(), header_length);
  const bool error = ip.protocol == kIcmp && is_error4(static_cast<uint8_t>(packet[header_length]));
  // Whole or the first fragment, and not to be cut.
  const bool uncut =
      (swap16(ip.fragment) & 0x1fff) == 0 && (swap16(ip.fragment) & kDontFragment) != 0;
  return sum.sum() == kChecksumHolds && uncut && !error;
}

bool deserves_answer(const Ipv6& ip, std::span<const std::byte> packet) {
  const bool error = ip.next_header == kIpv6Icmp && packet.size() > sizeof ip &&
                     static_cast<uint8_t>(packet[sizeof ip]) < kFirstIcmp6Query;
  return swap32(ip.version_class_flow) >> 28 == 6 && !error &&
         is_host6(IpAddress::ipv6(ip.source.data())) &&
         is_host6(IpAddress::ipv6(ip.destination.data()));
}

uint32_t answer4(std::byte* to, std::span<const std::byte> packet, uint32_t mtu) {
  const auto ip = read<Ipv4>(packet.data());
  if (!deserves_answer(ip, packet)) {
    return 0;
  }
  const std::span quoted = packet.first(std::min<size_t>(packet.size(), kMaxQuoted4));
  Ipv4 outer{
      .version_length = 0x45,
      .tos = 0xc0,  // RFC 1812, 4.3.2.5: internetwork control
      .total_length = swap16(static_cast<uint16_t>(sizeof(Ipv4) + sizeof(Icmp) + quoted.size())),
      .id = 0,
      .fragment = swap16(kDontFragment),
      .ttl = kTtl,
      .protocol = kIcmp,
      .checksum = 0,
      .source = ip.destination,
      .destination = ip.source};
  Checksum outer_sum;
  outer_sum.add(&outer, sizeof outer);
  outer.checksum = outer_sum.complement();
  Icmp icmp{kUnreachable, kFragmentationNeeded, 0, swap32(std::min(mtu, 0xffffU))};
  Checksum sum;
  sum.add(&icmp, sizeof icmp);
  sum.add(quoted.data(), quoted.size());
  icmp.checksum = sum.complement();
  std::memcpy(put(put(to, outer), icmp), quoted.data(), quoted.size());
  return static_cast<uint32_t>(sizeof outer + sizeof icmp + quoted.size());
}

uint32_t answer6(std::byte* to, std::span<const std::byte> packet, uint32_t mtu) {
  const auto ip = read<Ipv6>(packet.data());
  if (!deserves_answer(ip, packet)) {
    return 0;
  }
  const std::span quoted = packet.first(std::min<size_t>(packet.size(), kMaxQuoted6));
  const auto length = static_cast<uint32_t>(sizeof(Icmp) + quoted.size());
  const Ipv6 outer{.version_class_flow = swap32(6U << 28),
                   .payload_length = swap16(static_cast<uint16_t>(length)),
                   .next_header = kIpv6Icmp,
                   .hop_limit = kTtl,
                   .source = ip.destination,
                   .destination = ip.source};
  Icmp icmp{kPacketTooBig, 0, 0, swap32(mtu)};
  const std::array<uint32_t, 2> pseudo{swap32(length), swap32(kIpv6Icmp)};
  Checksum sum;
  sum.add(&outer.source, sizeof outer.source + sizeof outer.destination);
  sum.add(pseudo.data(), sizeof pseudo);
  sum.add(&icmp, sizeof icmp);
  sum.add(quoted.data(), quoted.size());
  icmp.checksum = sum.complement();
  std::memcpy(put(put(to, outer), icmp), quoted.data(), quoted.size());
  return static_cast<uint32_t>(sizeof outer) + length;
}

}  // namespace

uint32_t write_too_big(std::byte* to, std::span<const std::byte> head, uint32_t longest) {
  if (head.size() < sizeof(Ethernet)) {
    return 0;
  }
  const auto ethernet = read<Ethernet>(head.data());
  if ((ethernet.destination[0] & std::byte{1}) != std::byte{0}) {
    return 0;
  }
  std::byte* at = put(to, Ethernet{ethernet.source, ethernet.destination, ethernet.type});
  uint16_t type = swap16(ethernet.type);
  if (type == kEtherVlan && head.size() >= sizeof(Ethernet) + sizeof(VlanTag)) {
    const auto tag = read<VlanTag>(head.data() + sizeof(Ethernet));
    at = put(at, tag);
    type = swap16(tag.type);
  }
  const auto before = static_cast<uint32_t>(at - to);
  const std::span packet = head.subspan(before);
  const uint32_t mtu = longest > before ? longest - before : 0;
  uint32_t length = 0;
  if (type == kEtherIpv4 && packet.size() >= sizeof(Ipv4)) {
    length = answer4(at, packet, mtu);
  } else if (type == kEtherIpv6 && packet.size() >= sizeof(Ipv6)) {
    length = answer6(at, packet, mtu);
  }
  return length == 0 ? 0 : before + length;
}

}  // namespace memswitch::vxlan
