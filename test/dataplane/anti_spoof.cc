// Who a frame says it is from: rows of packets, made here field by field, and what the port's list makes of them.
#include "dataplane/anti_spoof.h"

#include <array>
#include <functional>

#include "control/policies.h"
#include "dataplane/take_private.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

using Address = std::array<uint8_t, 16>;

constexpr Address kOwn{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
constexpr Address kLocal{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
constexpr Address kTheirs{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6};
constexpr Address kNobody{};

// A packet, written from its front.
class Packet {
 public:
  Packet& number(uint64_t value, int width) {
    for (int i = width - 1; i >= 0; --i) {
      bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
    }
    return *this;
  }
  Packet& address(const Address& value) {
    bytes.insert(bytes.end(), value.begin(), value.end());
    return *this;
  }
  Packet& station(uint8_t last) { return number(uint64_t{2} << 40 | last, 6); }
  Packet& fill(size_t count) {
    bytes.resize(bytes.size() + count);
    return *this;
  }
  Bytes bytes;
};

Packet ethernet(uint16_t type, const std::vector<uint32_t>& tags = {}) {
  Packet packet;
  packet.station(9).station(1);
  for (const uint32_t tag : tags) {
    packet.number(tag, 4);
  }
  return packet.number(type, 2);
}

constexpr uint32_t kCustomerVlan = 0x8100'0064;
constexpr uint32_t kServiceVlan = 0x88a8'0064;

Packet arp(uint16_t operation, uint8_t sender, uint32_t address,
           const std::vector<uint32_t>& tags = {}, uint16_t type = 0x0806) {
  return ethernet(type, tags)
      .number(0x0001'0800'0604, 6)
      .number(operation, 2)
      .station(sender)
      .number(address, 4)
      .fill(10);
}

Packet ipv4(uint32_t source, uint8_t protocol = 17, const std::vector<uint32_t>& tags = {}) {
  return ethernet(0x0800, tags)
      .number(0x4500'0020, 4)
      .number(0, 4)
      .number(64, 1)
      .number(protocol, 1)
      .number(0, 2)
      .number(source, 4)
      .number(0xffff'ffff, 4);
}

Packet dhcp() {
  return ipv4(0).number(68, 2).number(67, 2).fill(240);
}

Packet ipv6(const Address& source, uint8_t next, size_t payload,
            const std::vector<uint32_t>& tags = {}) {
  return ethernet(0x86dd, tags)
      .number(0x6000'0000, 4)
      .number(payload, 2)
      .number(next, 1)
      .number(255, 1)
      .address(source)
      .address(kTheirs);
}

// A solicitation (135) or advertisement (136) about `target`, with the sender's address in an option.
Packet discovery(uint8_t type, const Address& source, const Address& target, int station,
                 const std::vector<uint32_t>& tags = {}) {
  const bool option = station >= 0;
  Packet packet = ipv6(source, 58, option ? 32 : 24, tags);
  packet.number(type, 1).fill(7).address(target);
  if (option) {
    packet.number(type == 136 ? 2 : 1, 1).number(1, 1).station(static_cast<uint8_t>(station));
  }
  return packet;
}

Packet extended(uint8_t extension, const Address& source = kOwn) {
  return ipv6(source, extension, 40).number(58, 1).fill(7).number(136, 1).fill(31);
}

// Behind an authentication header (RFC 4302) of 24 bytes, whose length is in words of four, less two.
Packet authenticated(const Address& target) {
  return ipv6(kOwn, 51, 48)
      .number(58, 1)
      .number(4, 1)
      .fill(22)
      .number(136, 1)
      .fill(7)
      .address(target);
}

// A first fragment, or a later one, of what follows.
Packet fragment(uint16_t offset, uint8_t protocol, uint8_t first_byte) {
  return ipv6(kOwn, 44, 1000)
      .number(protocol, 1)
      .number(0, 1)
      .number(offset, 2)
      .number(7, 4)
      .number(first_byte, 1)
      .fill(991);
}

Packet cut(Packet packet, size_t length) {
  packet.bytes.resize(length);
  return packet;
}

Packet changed(Packet packet, size_t at, uint8_t value) {
  packet.bytes.at(at) = value;
  return packet;
}

constexpr uint32_t kOurs4 = 0x0a00'0005;
constexpr uint32_t kNet4 = 0xc000'0200;  // 192.0.2.0/24 is ours too
constexpr uint32_t kTheirs4 = 0x0a00'0006;

IpPrefix prefix(const char* text, uint8_t bits) {
  IpPrefix made{.bits = bits};
  EXPECT(IpAddress::parse(text, made.address));
  return made;
}

std::unique_ptr<const Policy> policy() {
  return make_policy(
      {.senders = SenderOptions{
           .macs = {mac(1)},
           .ips = {prefix("10.0.0.5", 32), prefix("192.0.2.77", 24), prefix("192.0.2.128", 25),
                   prefix("2001:db8::5", 128), prefix("fe80::", 10)}}});
}

constexpr auto kFine = std::nullopt;
constexpr auto kMac = std::optional(Drop::kSpoofedMac);
constexpr auto kIp = std::optional(Drop::kSpoofedIp);

struct Case {
  const char* what;
  Packet packet;
  std::optional<Drop> drop;
};

std::vector<Case> cases() {
  return {
      {"IPv4 of ours", ipv4(kOurs4), kFine},
      {"IPv4 of another", ipv4(kTheirs4), kIp},
      {"IPv4 of our prefix, its first", ipv4(kNet4), kFine},
      {"IPv4 of our prefix, its last", ipv4(kNet4 + 255), kFine},
      {"IPv4 behind our prefix", ipv4(kNet4 + 256), kIp},
      {"IPv4 before our prefix", ipv4(kNet4 - 1), kIp},
      {"IPv4 behind one tag", ipv4(kTheirs4, 17, {kCustomerVlan}), kIp},
      {"IPv4 of ours behind two tags", ipv4(kOurs4, 17, {kServiceVlan, kCustomerVlan}), kFine},
      {"IPv4 behind two tags", ipv4(kTheirs4, 17, {kServiceVlan, kCustomerVlan}), kIp},
      {"IPv4 behind three tags", ipv4(kOurs4, 17, {kServiceVlan, kCustomerVlan, kCustomerVlan}),
       kIp},
      {"IPv4 that ends early", cut(ipv4(kOurs4), 33), kIp},
      {"IPv4 of another version", changed(ipv4(kOurs4), 14, 0x55), kIp},
      {"DHCP from nobody", dhcp(), kFine},
      {"TCP from nobody", changed(dhcp(), 23, 6), kIp},
      {"UDP from nobody to another port", changed(dhcp(), 37, 68), kIp},
      {"a fragment from nobody", changed(dhcp(), 21, 1), kIp},
      {"options from nobody", changed(dhcp(), 14, 0x46), kIp},
      {"an ARP request", arp(1, 1, kOurs4), kFine},
      {"an ARP request for another", arp(1, 1, kTheirs4), kIp},
      {"an ARP answer", arp(2, 1, kOurs4), kFine},
      {"an ARP answer for another", arp(2, 1, kTheirs4), kIp},
      {"an ARP answer with another's address", arp(2, 7, kOurs4), kMac},
      {"an ARP probe", arp(1, 1, 0), kFine},
      {"an ARP answer from nobody", arp(2, 1, 0), kIp},
      {"ARP behind two tags", arp(2, 1, kTheirs4, {kServiceVlan, kCustomerVlan}), kIp},
      {"ARP of ours behind two tags", arp(2, 1, kOurs4, {kServiceVlan, kCustomerVlan}), kFine},
      {"ARP that ends early", cut(arp(1, 1, kOurs4), 41), kIp},
      {"ARP of long addresses", changed(arp(1, 1, kOurs4), 18, 8), kIp},
      {"reverse ARP", arp(3, 1, 0, {}, 0x8035), kFine},
      {"reverse ARP of another", arp(3, 7, 0, {}, 0x8035), kMac},
      {"IPv6 of ours", ipv6(kOwn, 6, 20).fill(20), kFine},
      {"IPv6 of our link", ipv6(kLocal, 17, 20).fill(20), kFine},
      {"IPv6 of another", ipv6(kTheirs, 6, 20).fill(20), kIp},
      {"IPv6 from nobody", ipv6(kNobody, 17, 20).fill(20), kIp},
      {"IPv6 that ends early", cut(ipv6(kOwn, 6, 0), 53), kIp},
      {"IPv6 of another version", changed(ipv6(kOwn, 6, 20).fill(20), 14, 0x40), kIp},
      {"an echo", ipv6(kOwn, 58, 20).number(128, 1).fill(19), kFine},
      {"an echo from nobody", ipv6(kNobody, 58, 20).number(128, 1).fill(19), kIp},
      {"ICMPv6 of no bytes", ipv6(kOwn, 58, 0), kIp},
      {"a solicitation", discovery(135, kOwn, kTheirs, 1), kFine},
      {"a solicitation with another's address", discovery(135, kOwn, kTheirs, 7), kMac},
      {"duplicate address detection", discovery(135, kNobody, kOwn, -1), kFine},
      {"detection of another's", discovery(135, kNobody, kTheirs, -1), kIp},
      {"an advertisement", discovery(136, kOwn, kOwn, 1), kFine},
      {"an advertisement for another", discovery(136, kOwn, kTheirs, 1), kIp},
      {"an advertisement with another's address", discovery(136, kOwn, kOwn, 7), kMac},
      {"an advertisement with an option that is not about its sender",
       changed(discovery(136, kOwn, kOwn, 7), 78, 1), kFine},
      {"an advertisement without an address", discovery(136, kOwn, kOwn, -1), kFine},
      {"an advertisement from nobody", discovery(136, kNobody, kOwn, 1), kIp},
      {"an advertisement behind two tags",
       discovery(136, kOwn, kTheirs, 1, {kServiceVlan, kCustomerVlan}), kIp},
      {"an advertisement that ends early", cut(discovery(136, kOwn, kOwn, 1), 80), kIp},
      {"an option of no bytes", changed(discovery(136, kOwn, kOwn, 1), 79, 0), kIp},
      {"a router solicitation from nobody", ipv6(kNobody, 58, 8).number(133, 1).fill(7), kFine},
      {"a router advertisement", ipv6(kOwn, 58, 16).number(134, 1).fill(15), kFine},
      {"a report of groups",
       ipv6(kNobody, 0, 28).number(58, 1).number(0, 1).fill(6).number(143, 1).fill(19), kFine},
      {"an advertisement behind a destination header", extended(60), kIp},
      {"an advertisement behind a hop-by-hop header", extended(0), kIp},
      {"an advertisement behind a routing header", extended(43), kIp},
      {"an advertisement behind an authentication header", authenticated(kTheirs), kIp},
      {"one of ours behind an authentication header", authenticated(kOwn), kIp},
      {"one of ours behind a destination header",
       ipv6(kOwn, 60, 32).number(58, 1).fill(7).number(136, 1).fill(7).address(kOwn), kIp},
      {"an advertisement in a first fragment", fragment(1, 58, 136), kIp},
      {"an advertisement in the only fragment", fragment(0, 58, 136), kIp},
      {"a large echo in fragments", fragment(1, 58, 128), kFine},
      {"a later fragment", fragment(8, 58, 136), kFine},
      {"UDP in fragments", fragment(1, 17, 0), kFine},
      {"headers without end", ipv6(kOwn, 60, 1000).number(60, 1).number(255, 1).fill(998), kIp},
      {"headers that end the frame", ipv6(kOwn, 60, 8).number(60, 1).fill(7), kIp},
      {"SNAP", ethernet(0x0024).number(0xaaaa'0300'0000'0800, 8).fill(28), kIp},
      {"spanning tree", ethernet(0x0026).number(0x4242'0300, 4).fill(34), kFine},
      {"another protocol", ethernet(0x88b5).fill(46), kFine},
      {"only a header", ethernet(0x88b5), kFine},
      {"a tag and no more", cut(ipv4(kOurs4, 17, {kCustomerVlan}), 17), kIp},
  };
}

std::optional<Drop> judge(const Senders& senders, const Bytes& bytes) {
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  const auto length = static_cast<uint32_t>(bytes.size());
  bool needs_more = false;
  const auto found =
      find_spoof(senders, {data, std::min(length, kJudgedBytes)}, length, needs_more);
  if (!needs_more) {
    return found;
  }
  const auto then =
      find_spoof(senders, {data, std::min(length, kPrivateBytes)}, length, needs_more);
  EXPECT(!needs_more);
  return then;
}

}  // namespace

TEST("what a frame says of its sender decides whether it may") {
  const auto made = policy();
  for (const Case& one : cases()) {
    const expect::Row row(one.what);
    EXPECT(judge(*made->senders, one.packet.bytes) == one.drop);
  }
}

TEST("without a list of IPs any may be used, but addresses of stations are still looked at") {
  const auto made = make_policy({.senders = SenderOptions{.macs = {mac(1)}}});
  EXPECT(judge(*made->senders, ipv4(kTheirs4).bytes) == kFine);
  EXPECT(judge(*made->senders, ipv6(kNobody, 17, 20).fill(20).bytes) == kFine);
  EXPECT(judge(*made->senders, discovery(136, kTheirs, kTheirs, 1).bytes) == kFine);
  EXPECT(judge(*made->senders, discovery(136, kTheirs, kTheirs, 7).bytes) == kMac);
  EXPECT(judge(*made->senders, arp(2, 7, kTheirs4).bytes) == kMac);
}

TEST("frames are judged on their way, and arrive as they were judged, in any number of pieces") {
  PolicyOptions options{.senders = SenderOptions{.macs = {mac(1)}, .ips = {}}};
  options.senders->ips = {prefix("10.0.0.5", 32), prefix("192.0.2.0", 24),
                          prefix("2001:db8::5", 128), prefix("fe80::", 10)};
  for (const uint16_t buffer : {uint16_t{2048}, uint16_t{64}}) {
    Fixture fixture;
    const PortId port = fixture.add_port("in", {.policy = options});
    fixture.add_port("out");
    Station in(fixture.socket("in"), {.buffer_size = buffer});
    Station out(fixture.socket("out"));
    uint64_t dropped = 0;
    for (const Case& one : cases()) {
      const expect::Row row(one.what);
      EXPECT(in.send(one.packet.bytes));
      if (one.drop) {
        ++dropped;
        EXPECT_SOON(fixture.drops(port, Drop::kSpoofedMac) +
                        fixture.drops(port, Drop::kSpoofedIp) ==
                    dropped);
      } else {
        EXPECT(out.expect_frame() == one.packet.bytes);
      }
    }
    EXPECT_SOON(fixture.imbalance() == 0);
  }
}
