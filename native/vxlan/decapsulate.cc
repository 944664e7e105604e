#include "vxlan/decapsulate.h"

#include <cstring>

#include "vxlan/wire.h"

namespace memswitch::vxlan {

namespace {

// Where in the frame the parser stands, and how far what it parses reaches: each layer may only shorten it.
struct Cursor {
  std::span<const std::byte> head;  // private
  uint32_t at;
  uint32_t end;  // of the layer; may lie behind the head

  [[nodiscard]] bool has(size_t bytes) const { return at + bytes <= head.size() && fits(bytes); }
  [[nodiscard]] bool fits(size_t bytes) const { return at + bytes <= end; }
  [[nodiscard]] const std::byte* here() const { return head.data() + at; }
};

Decapsulated refuse(Drop reason) {
  Decapsulated refused{};
  refused.drop = reason;
  return refused;
}

// The type of what follows the addresses and, on a tagged underlay, the tag. None: another VLAN's.
std::optional<uint16_t> ether_type(Cursor& cursor, uint16_t vlan) {
  uint16_t type = swap16(read<Ethernet>(cursor.here()).type);
  cursor.at += sizeof(Ethernet);
  uint16_t found = 0;
  if (type == kEtherVlan && cursor.has(sizeof(VlanTag))) {
    const auto tag = read<VlanTag>(cursor.here());
    found = swap16(tag.control) & 0xfff;
    type = swap16(tag.type);
    cursor.at += sizeof(VlanTag);
  }
  return found == vlan ? std::optional(type) : std::nullopt;
}

uint16_t header_sum(const std::byte* header, uint32_t length) {
  if (length == sizeof(Ipv4)) [[likely]] {
    return Checksum::of<sizeof(Ipv4)>(header);
  }
  Checksum sum;
  sum.add(header, length);
  return sum.sum();
}

// RFC 791: length, checksum, and whether it is a whole datagram of UDP for us. `addresses`: those of the header, for the
// pseudo header of RFC 768.
std::optional<Drop> take_ipv4(Cursor& cursor, const Endpoint& endpoint, Decapsulated& out,
                              std::span<const std::byte>& addresses) {
  if (!cursor.has(sizeof(Ipv4))) {
    return Drop::kBadOuterLength;
  }
  const auto ip = read<Ipv4>(cursor.here());
  const uint32_t header_length = (ip.version_length & 0xfU) * 4;
  const uint32_t total_length = swap16(ip.total_length);
  if (ip.version_length >> 4 != 4 || header_length < sizeof(Ipv4) || total_length < header_length ||
      !cursor.has(header_length) || !cursor.fits(total_length)) {
    return Drop::kBadOuterLength;
  }
  if (header_sum(cursor.here(), header_length) != kChecksumHolds) {
    return Drop::kBadOuterChecksum;
  }
  if (IpAddress::ipv4(ip.destination.data()) != endpoint.local) {
    return Drop::kWrongVtep;
  }
  if ((swap16(ip.fragment) & kMoreOrOffset) != 0) {
    return Drop::kFragment;
  }
  if (ip.protocol != kIpUdp) {
    return Drop::kNotTunnel;
  }
  out.source = IpAddress::ipv4(ip.source.data());
  addresses = {cursor.here() + offsetof(Ipv4, source), sizeof ip.source + sizeof ip.destination};
  cursor.end = cursor.at + total_length;
  cursor.at += header_length;
  return std::nullopt;
}

// RFC 8200. Extension headers are not for tunnels to see; a fragment header is told apart.
std::optional<Drop> take_ipv6(Cursor& cursor, const Endpoint& endpoint, Decapsulated& out,
                              std::span<const std::byte>& addresses) {
  if (!cursor.has(sizeof(Ipv6))) {
    return Drop::kBadOuterLength;
  }
  const auto ip = read<Ipv6>(cursor.here());
  const uint32_t total_length = static_cast<uint32_t>(sizeof(Ipv6)) + swap16(ip.payload_length);
  if (swap32(ip.version_class_flow) >> 28 != 6 || !cursor.fits(total_length)) {
    return Drop::kBadOuterLength;
  }
  if (IpAddress::ipv6(ip.destination.data()) != endpoint.local) {
    return Drop::kWrongVtep;
  }
  if (ip.next_header != kIpUdp) {
    return ip.next_header == kIpv6Fragment ? Drop::kFragment : Drop::kNotTunnel;
  }
  out.source = IpAddress::ipv6(ip.source.data());
  if (out.source.is_ipv4()) {  // in IPv6's clothes: never on a wire (RFC 4291, 2.5.5.2)
    return Drop::kNotTunnel;
  }
  addresses = {cursor.here() + offsetof(Ipv6, source), sizeof ip.source + sizeof ip.destination};
  cursor.end = cursor.at + total_length;
  cursor.at += static_cast<uint32_t>(sizeof(Ipv6));
  return std::nullopt;
}

// RFC 768; a checksum of zero is none, which RFC 6935 allows a tunnel over IPv6 when both sides agree.
std::optional<Drop> take_udp(Cursor& cursor, const Endpoint& endpoint, Decapsulated& out,
                             std::span<const std::byte> addresses) {
  if (!cursor.has(sizeof(Udp))) {
    return Drop::kBadOuterLength;
  }
  const auto udp = read<Udp>(cursor.here());
  const uint32_t length = swap16(udp.length);
  if (length < sizeof(Udp) || !cursor.fits(length)) {
    return Drop::kBadOuterLength;
  }
  if (swap16(udp.destination) != endpoint.port) {
    return Drop::kNotTunnel;
  }
  if (udp.checksum != 0) {
    const std::array<uint16_t, 2> pseudo{swap16(kIpUdp), udp.length};
    Checksum sum;
    sum.add(addresses.data(), addresses.size());
    sum.add(pseudo.data(), sizeof pseudo);
    sum.add(cursor.here(), sizeof(Udp));
    out.checksum = sum;
  } else if (!endpoint.local.is_ipv4() && !endpoint.zero_checksum6) {
    return Drop::kBadOuterChecksum;
  }
  cursor.end = cursor.at + length;
  cursor.at += static_cast<uint32_t>(sizeof(Udp));
  return std::nullopt;
}

std::optional<Drop> take_vxlan(Cursor& cursor, Decapsulated& out) {
  if (!cursor.has(sizeof(Vxlan))) {
    return Drop::kBadOuterLength;
  }
  const std::optional<uint32_t> vni = vni_of(cursor.here());
  if (!vni) {
    return Drop::kBadVxlan;
  }
  if (out.checksum) {
    out.checksum->add(cursor.here(), sizeof(Vxlan));
  }
  out.vni = *vni;
  out.inner = cursor.at + static_cast<uint32_t>(sizeof(Vxlan));
  out.length = cursor.end - out.inner;
  return std::nullopt;
}

}  // namespace

std::optional<uint32_t> vni_of(const std::byte* header) {
  const auto vxlan = read<Vxlan>(header);
  return (swap32(vxlan.flags) & kFlagVni) != 0 ? std::optional(swap32(vxlan.vni) >> 8)
                                               : std::nullopt;
}

Decapsulated decapsulate(std::span<const std::byte> head, uint32_t length,
                         const Endpoint& endpoint) {
  Cursor cursor{.head = head, .at = 0, .end = length};
  if (!cursor.has(sizeof(Ethernet))) {
    return refuse(Drop::kBadOuterLength);
  }
  const std::optional<uint16_t> type = ether_type(cursor, endpoint.vlan);
  const bool ipv4 = endpoint.local.is_ipv4();
  if (type != (ipv4 ? kEtherIpv4 : kEtherIpv6)) {
    return refuse(Drop::kNotTunnel);
  }
  Decapsulated out{};
  std::span<const std::byte> addresses;
  out.drop = ipv4 ? take_ipv4(cursor, endpoint, out, addresses)
                  : take_ipv6(cursor, endpoint, out, addresses);
  if (!out.drop) {
    out.drop = take_udp(cursor, endpoint, out, addresses);
  }
  if (!out.drop) {
    out.drop = take_vxlan(cursor, out);
  }
  return out;
}

}  // namespace memswitch::vxlan
