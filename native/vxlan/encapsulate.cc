#include "vxlan/encapsulate.h"

#include <cstring>

#include "dataplane/copy.h"
#include "vxlan/wire.h"

namespace memswitch::vxlan {

namespace {

std::array<std::byte, 6> mac_bytes(Mac mac) {
  std::array<std::byte, 6> bytes;
  std::memcpy(bytes.data(), &mac, bytes.size());
  return bytes;
}

uint32_t put_ethernet(std::byte* to, const OuterOptions& options) {
  const uint16_t type = swap16(options.local.is_ipv4() ? kEtherIpv4 : kEtherIpv6);
  put(to, Ethernet{mac_bytes(options.destination_mac), mac_bytes(options.source_mac),
                   options.vlan == 0 ? type : swap16(kEtherVlan)});
  if (options.vlan == 0) {
    return sizeof(Ethernet);
  }
  put(to + sizeof(Ethernet), VlanTag{swap16(options.vlan), type});
  return sizeof(Ethernet) + sizeof(VlanTag);
}

Ipv4 ipv4_header(const OuterOptions& options) {
  return {.version_length = 0x45,
          .tos = options.tos,
          .total_length = 0,
          .id = 0,
          .fragment = options.dont_fragment ? swap16(kDontFragment) : uint16_t{0},
          .ttl = options.ttl,
          .protocol = kIpUdp,
          .checksum = 0,
          .source = options.local.four(),
          .destination = options.remote.four()};
}

Ipv6 ipv6_header(const OuterOptions& options) {
  return {.version_class_flow = swap32(6U << 28 | uint32_t{options.tos} << 20),
          .payload_length = 0,
          .next_header = kIpUdp,
          .hop_limit = options.ttl,
          .source = options.local.bytes,
          .destination = options.remote.bytes};
}

uint16_t plus(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  uint32_t sum = a + b + c + d;
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

}  // namespace

OuterTemplate::OuterTemplate(const OuterOptions& options)
    : ipv4_(options.local.is_ipv4()), tos_(options.tos) {
  ip_ = put_ethernet(bytes_.data(), options);
  if (ipv4_) {
    const Ipv4 ip = ipv4_header(options);
    put(bytes_.data() + ip_, ip);
    Checksum sum;
    sum.add(&ip, sizeof ip);
    ip_sum_ = sum.sum();
    udp_ = ip_ + static_cast<uint32_t>(sizeof ip);
  } else {
    put(bytes_.data() + ip_, ipv6_header(options));
    udp_ = ip_ + static_cast<uint32_t>(sizeof(Ipv6));
  }
  put(bytes_.data() + udp_, Udp{0, swap16(options.port), 0, 0});
  put(bytes_.data() + udp_ + sizeof(Udp), vxlan_header(options.vni));
  size_ = udp_ + static_cast<uint32_t>(sizeof(Udp) + sizeof(Vxlan));
}

void OuterTemplate::write(std::byte* to, const Patch& patch) const {
  copy_fixed<kOuterRoom>(to, bytes_.data());
  const auto udp_length = static_cast<uint16_t>(sizeof(Udp) + sizeof(Vxlan) + patch.inner_length);
  std::byte* const ip = to + ip_;
  if (ipv4_) {
    const uint16_t total_length = swap16(static_cast<uint16_t>(sizeof(Ipv4) + udp_length));
    const uint16_t id = swap16(patch.id);
    put(ip + offsetof(Ipv4, tos), static_cast<uint8_t>(tos_ | patch.tos));
    put(ip + offsetof(Ipv4, total_length), total_length);
    put(ip + offsetof(Ipv4, id), id);
    // RFC 1624: what changed is added to the sum of what stayed. TOS is the upper byte of its word.
    put(ip + offsetof(Ipv4, checksum),
        static_cast<uint16_t>(~plus(ip_sum_, total_length, id, swap16(patch.tos))));
  } else {
    put(ip, swap32(6U << 28 | static_cast<uint32_t>(tos_ | patch.tos) << 20));
    put(ip + offsetof(Ipv6, payload_length), swap16(udp_length));
  }
  std::byte* const udp = to + udp_;
  put(udp + offsetof(Udp, source), swap16(patch.source_port));
  put(udp + offsetof(Udp, length), swap16(udp_length));
}

void OuterTemplate::begin_checksum(std::byte* headers) const {
  Udp udp;
  std::memcpy(&udp, headers + udp_, sizeof udp);
  udp.checksum = pseudo_header(headers, udp.length).sum();
  put(headers + udp_, udp);
}

Checksum OuterTemplate::pseudo_header(const std::byte* headers, uint16_t udp_length) const {
  const std::array<uint16_t, 2> rest{swap16(kIpUdp), udp_length};
  const size_t addresses = ipv4_ ? 8 : 32;
  Checksum sum;
  sum.add(rest.data(), sizeof rest);
  sum.add(headers + udp_ - addresses, addresses);
  return sum;
}

void OuterTemplate::seal(std::byte* headers, const Checksum& inner) const {
  Udp udp;
  std::memcpy(&udp, headers + udp_, sizeof udp);
  Checksum sum = pseudo_header(headers, udp.length);
  sum.add(headers + udp_, sizeof(Udp) + sizeof(Vxlan));
  sum.add(inner);
  // RFC 768: zero says that there is none.
  udp.checksum = sum.complement() == 0 ? 0xffff : sum.complement();
  put(headers + udp_, udp);
}

}  // namespace memswitch::vxlan
