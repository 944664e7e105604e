#include "vxlan/neighbor.h"

#include <algorithm>
#include <cstring>

#include "vxlan/checksum.h"
#include "vxlan/wire.h"

namespace memswitch::vxlan {

namespace {

using MacBytes = std::array<std::byte, 6>;

struct [[gnu::packed]] Arp {
  uint16_t hardware;  // 1: Ethernet
  uint16_t protocol;
  uint8_t hardware_length;
  uint8_t protocol_length;
  uint16_t operation;
  MacBytes sender_mac;
  std::array<std::byte, 4> sender;
  MacBytes target_mac;
  std::array<std::byte, 4> target;
};
static_assert(sizeof(Arp) == 28);

constexpr uint16_t kRequest = 1;
constexpr uint16_t kReply = 2;

// RFC 4861, 4.3 and 4.4, each with the one option that carries the link-layer address (4.6.1).
struct [[gnu::packed]] Discovery {
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint32_t flags;
  std::array<std::byte, 16> target;
  uint8_t option;
  uint8_t option_length;  // in units of 8 bytes
  MacBytes mac;
};
static_assert(sizeof(Discovery) == 32);

constexpr uint8_t kSolicitation = 135;
constexpr uint8_t kAdvertisement = 136;
constexpr uint8_t kSourceAddress = 1;
constexpr uint8_t kTargetAddress = 2;
constexpr uint32_t kRouter = 0x8000'0000;
constexpr uint32_t kSolicitedOverride = 0x6000'0000;
constexpr uint8_t kHopLimit = 255;  // RFC 4861, 7.1: no router has passed it on

MacBytes bytes_of(Mac mac) {
  MacBytes bytes;
  std::memcpy(bytes.data(), &mac, bytes.size());
  return bytes;
}

Mac mac_of(const MacBytes& bytes) {
  Mac mac = 0;
  std::memcpy(&mac, bytes.data(), bytes.size());
  return mac;
}

std::byte* put_ethernet(std::byte* to, Mac destination, const Station& self, uint16_t type) {
  const bool tagged = self.vlan != 0;
  to = put(to,
           Ethernet{bytes_of(destination), bytes_of(self.mac), swap16(tagged ? kEtherVlan : type)});
  return tagged ? put(to, VlanTag{swap16(self.vlan), swap16(type)}) : to;
}

std::byte* put_arp(std::byte* to, uint16_t operation, const Station& self, const Station& target) {
  return put(to, Arp{swap16(1), swap16(kEtherIpv4), 6, 4, swap16(operation), bytes_of(self.mac),
                     self.address.four(), bytes_of(target.mac), target.address.four()});
}

// RFC 4443, 2.3: over a pseudo header and the message.
uint16_t icmp_sum(const Ipv6& ip, const Discovery& message) {
  const std::array<uint32_t, 2> pseudo{swap32(sizeof message), swap32(kIpv6Icmp)};
  Checksum sum;
  sum.add(ip.source.data(), ip.source.size());
  sum.add(ip.destination.data(), ip.destination.size());
  sum.add(pseudo.data(), sizeof pseudo);
  sum.add(&message, sizeof message);
  return sum.sum();
}

std::byte* put_discovery(std::byte* to, const IpAddress& source, const IpAddress& destination,
                         Discovery message) {
  const Ipv6 ip{swap32(6U << 28), swap16(sizeof message), kIpv6Icmp,
                kHopLimit,        source.bytes,           destination.bytes};
  message.checksum = static_cast<uint16_t>(~icmp_sum(ip, message));
  return put(put(to, ip), message);
}

std::optional<NeighborMessage> read_arp(std::span<const std::byte> rest) {
  if (rest.size() < sizeof(Arp)) {
    return std::nullopt;
  }
  const auto arp = read<Arp>(rest.data());
  const uint16_t operation = swap16(arp.operation);
  if (swap16(arp.hardware) != 1 || swap16(arp.protocol) != kEtherIpv4 || arp.hardware_length != 6 ||
      arp.protocol_length != 4 || (operation != kRequest && operation != kReply)) {
    return std::nullopt;
  }
  return NeighborMessage{
      operation == kRequest ? NeighborMessage::Kind::kQuestion : NeighborMessage::Kind::kAnswer,
      {IpAddress::ipv4(arp.sender.data()), mac_of(arp.sender_mac)},
      IpAddress::ipv4(arp.target.data())};
}

// Neither nobody's, nor a group's, nor IPv4's in IPv6's clothes, which never are on a wire (RFC 4291, 2.5.5.2).
bool is_station(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast() && !address.is_ipv4();
}

// Only messages with exactly their one option: that is what is sent to ask and to answer.
std::optional<NeighborMessage> read_discovery(std::span<const std::byte> rest) {
  if (rest.size() < sizeof(Ipv6) + sizeof(Discovery)) {
    return std::nullopt;
  }
  const auto ip = read<Ipv6>(rest.data());
  const auto message = read<Discovery>(rest.data() + sizeof ip);
  const bool question = message.type == kSolicitation;
  const IpAddress source = IpAddress::ipv6(ip.source.data());
  const IpAddress target = IpAddress::ipv6(message.target.data());
  if (ip.next_header != kIpv6Icmp || ip.hop_limit != kHopLimit ||
      swap16(ip.payload_length) != sizeof message || message.code != 0 ||
      (!question && message.type != kAdvertisement) ||
      message.option != (question ? kSourceAddress : kTargetAddress) ||
      message.option_length != 1 || icmp_sum(ip, message) != kChecksumHolds ||
      !is_station(source) || !is_station(target)) {
    return std::nullopt;
  }
  return NeighborMessage{
      question ? NeighborMessage::Kind::kQuestion : NeighborMessage::Kind::kAnswer,
      {question ? source : target, mac_of(message.mac)},
      target,
      !question && (swap32(message.flags) & kRouter) != 0};
}

}  // namespace

std::optional<NeighborMessage> read_neighbor(std::span<const std::byte> head, uint32_t length) {
  head = head.first(std::min<size_t>(head.size(), length));
  if (head.size() < sizeof(Ethernet)) {
    return std::nullopt;
  }
  uint16_t type = swap16(read<Ethernet>(head.data()).type);
  size_t at = sizeof(Ethernet);
  uint16_t vlan = 0;
  if (type == kEtherVlan && head.size() >= at + sizeof(VlanTag)) {
    const auto tag = read<VlanTag>(head.data() + at);
    vlan = swap16(tag.control) & 0xfff;
    type = swap16(tag.type);
    at += sizeof tag;
  }
  std::optional<NeighborMessage> message;
  if (type == kEtherArp) {
    message = read_arp(head.subspan(at));
  } else if (type == kEtherIpv6) {
    message = read_discovery(head.subspan(at));
  }
  if (message) {
    message->sender.vlan = vlan;
  }
  const bool valid = message && message->sender.mac != 0 && !is_group(message->sender.mac);
  return valid ? message : std::nullopt;
}

uint32_t write_question(std::byte* to, const Station& self, const IpAddress& target) {
  std::byte* at = to;
  if (self.address.is_ipv4()) {
    at = put_ethernet(at, kMacMask, self, kEtherArp);
    at = put_arp(at, kRequest, self, {target, 0});
    return static_cast<uint32_t>(at - to);
  }
  // RFC 4291, 2.7.1, the solicited-node group ff02::1:ffXX:XXXX; RFC 2464, 7, its Ethernet address 33:33:ff:XX:XX:XX.
  std::array<uint8_t, 16> group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(group.data() + 13, target.data() + 13, 3);
  Mac mac = 0x3333;
  std::memcpy(reinterpret_cast<std::byte*>(&mac) + 2, group.data() + 12, 4);
  at = put_ethernet(at, mac, self, kEtherIpv6);
  at = put_discovery(at, self.address, IpAddress::ipv6(group.data()),
                     {kSolicitation, 0, 0, 0, target.bytes, kSourceAddress, 1, bytes_of(self.mac)});
  return static_cast<uint32_t>(at - to);
}

uint32_t write_answer(std::byte* to, const Station& self, const Station& asker, bool router) {
  std::byte* at =
      put_ethernet(to, asker.mac, self, self.address.is_ipv4() ? kEtherArp : kEtherIpv6);
  if (self.address.is_ipv4()) {
    at = put_arp(at, kReply, self, asker);
  } else {
    at = put_discovery(at, self.address, asker.address,
                       {kAdvertisement, 0, 0, swap32(kSolicitedOverride | (router ? kRouter : 0)),
                        self.address.bytes, kTargetAddress, 1, bytes_of(self.mac)});
  }
  return static_cast<uint32_t>(at - to);
}

}  // namespace memswitch::vxlan
