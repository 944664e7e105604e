// Encapsulation and decapsulation by tables of packets. The frames they start from were sent by Linux's vxlan device and
// captured with tcpdump; what comes of their changes is said by the RFCs.
#include <functional>

#include "test/native/fixture.h"
#include "vxlan/decapsulate.h"
#include "vxlan/encapsulate.h"
#include "vxlan/flow.h"
#include "vxlan/neighbor.h"
#include "vxlan/wire.h"

using namespace memswitch;
using namespace memswitch::test;
using vxlan::Checksum;

namespace {

Bytes bytes(const char* hex) {
  Bytes out;
  unsigned value = 0;
  int digits = 0;
  for (const char* c = hex; *c != '\0'; ++c) {
    if (*c == ' ') {
      continue;
    }
    value = value << 4 | static_cast<unsigned>(*c <= '9' ? *c - '0' : *c - 'a' + 10);
    if (++digits % 2 == 0) {
      out.push_back(static_cast<uint8_t>(value));
      value = 0;
    }
  }
  return out;
}

// An ARP request from 10.3.0.1 in VNI 5003, from 192.0.2.1 to 192.0.2.2, no UDP checksum.
const char* const kInner =
    "ffff ffff ffff 0200 0000 0001 0806 0001 0800 0604 0001 0200 0000 0001 0a03 0001 "
    "0000 0000 0000 0a03 0002";
const std::string kOver4 = std::string(
                               "3a66 f290 64cf ee11 efc1 1603 0800 4500 004e 5223 0000 4011 a478 "
                               "c000 0201 c000 0202 afe5 12b5 003a 0000 0800 0000 0013 8b00 ") +
                           kInner;
// The same between 2001:db8::1 and ::2, in VNI 5002.
const std::string kOver6 =
    std::string(
        "3a66 f290 64cf ee11 efc1 1603 86dd 6000 0000 003a 1140 2001 0db8 0000 0000 0000 0000 0000 "
        "0001 2001 0db8 0000 0000 0000 0000 0000 0002 afe5 12b5 003a 0000 0800 0000 0013 8a00 ") +
    kInner;

IpAddress ip(const char* text) {
  IpAddress address;
  EXPECT(IpAddress::parse(text, address));
  return address;
}

vxlan::Endpoint endpoint4() {
  return {.local = ip("192.0.2.2"), .port = 4789};
}
vxlan::Endpoint endpoint6() {
  return {.local = ip("2001:db8::2"), .port = 4789, .zero_checksum6 = true};
}

vxlan::Decapsulated decapsulate(const Bytes& frame, const vxlan::Endpoint& endpoint) {
  // On the heap to its exact size, so that a sanitizer sees every byte read behind it.
  const size_t head = std::min<size_t>(frame.size(), vxlan::kMaxOuter);
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(frame.data()),
                                    reinterpret_cast<const std::byte*>(frame.data()) + head);
  return vxlan::decapsulate(copy, static_cast<uint32_t>(frame.size()), endpoint);
}

// RFC 1071, word by word as it is written there.
uint16_t reference_sum(const Bytes& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); i += 2) {
    sum += static_cast<uint32_t>(data[i] << 8) + (i + 1 < data.size() ? data[i + 1] : 0U);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

void mend_ipv4_checksum(Bytes& frame, size_t at = 14) {
  frame[at + 10] = frame[at + 11] = 0;
  const size_t length = (frame[at] & 0xfU) * 4;
  const auto sum = static_cast<uint16_t>(~reference_sum(Bytes(
      frame.begin() + static_cast<long>(at), frame.begin() + static_cast<long>(at + length))));
  frame[at + 10] = static_cast<uint8_t>(sum >> 8);
  frame[at + 11] = static_cast<uint8_t>(sum);
}

void cut(Bytes& frame, size_t length) {
  frame.erase(frame.begin() + static_cast<long>(length), frame.end());
}

struct Change {
  const char* what;
  std::function<void(Bytes&)> make;
  std::optional<Drop> drop;
};

void expect_rows(const std::string& from, const vxlan::Endpoint& endpoint,
                 std::span<const Change> changes) {
  for (const Change& change : changes) {
    const expect::Row row(change.what);
    Bytes frame = bytes(from.c_str());
    change.make(frame);
    const vxlan::Decapsulated out = decapsulate(frame, endpoint);
    EXPECT_EQ(out.drop.has_value(), change.drop.has_value());
    if (change.drop) {
      EXPECT_EQ(*out.drop, *change.drop);
    }
  }
}

}  // namespace

TEST("decapsulation: Linux's frames give what was put in") {
  for (const bool ipv4 : {true, false}) {
    const Bytes frame = bytes(ipv4 ? kOver4.c_str() : kOver6.c_str());
    const vxlan::Decapsulated out = decapsulate(frame, ipv4 ? endpoint4() : endpoint6());
    EXPECT(!out.drop);
    EXPECT_EQ(out.source.text(), ipv4 ? "192.0.2.1" : "2001:db8::1");
    EXPECT_EQ(out.vni, ipv4 ? 5003U : 5002U);
    EXPECT_EQ(out.inner, ipv4 ? 50U : 70U);
    EXPECT_EQ(out.length, bytes(kInner).size());
    EXPECT(!out.checksum.has_value());
  }
}

TEST("decapsulation over IPv4: what is wrong, and its drop reason") {
  const Change changes[] = {
      {"nothing", [](Bytes&) {}, std::nullopt},
      {"padded by the wire", [](Bytes& f) { f.insert(f.end(), 7, 0); }, std::nullopt},
      {"reserved bits of VXLAN set", [](Bytes& f) { f[42] = 0xff, f[43] = f[45] = f[49] = 0xff; },
       std::nullopt},
      {"no inner frame",
       [](Bytes& f) { cut(f, 50), f[17] = 36, f[39] = 16, mend_ipv4_checksum(f); }, std::nullopt},
      {"nothing at all", [](Bytes& f) { f.clear(); }, Drop::kBadOuterLength},
      {"13 bytes", [](Bytes& f) { cut(f, 13); }, Drop::kBadOuterLength},
      {"cut in the IP header", [](Bytes& f) { cut(f, 33); }, Drop::kBadOuterLength},
      {"cut in the UDP header", [](Bytes& f) { cut(f, 40); }, Drop::kBadOuterLength},
      {"cut in the frame", [](Bytes& f) { f.pop_back(); }, Drop::kBadOuterLength},
      {"version 5", [](Bytes& f) { f[14] = 0x55; }, Drop::kBadOuterLength},
      {"a header of 16 bytes", [](Bytes& f) { f[14] = 0x44; }, Drop::kBadOuterLength},
      {"total length below the header", [](Bytes& f) { f[16] = 0, f[17] = 19; },
       Drop::kBadOuterLength},
      {"total length beyond the frame", [](Bytes& f) { f[16] = 1; }, Drop::kBadOuterLength},
      {"total length leaves no room for UDP", [](Bytes& f) { f[17] = 27, mend_ipv4_checksum(f); },
       Drop::kBadOuterLength},
      {"wrong IP checksum", [](Bytes& f) { f[24] ^= 1; }, Drop::kBadOuterChecksum},
      {"TTL changed, checksum not", [](Bytes& f) { --f[22]; }, Drop::kBadOuterChecksum},
      {"to somebody else", [](Bytes& f) { f[33] = 3, mend_ipv4_checksum(f); }, Drop::kWrongVtep},
      {"a first fragment", [](Bytes& f) { f[20] = 0x20, mend_ipv4_checksum(f); }, Drop::kFragment},
      {"a later fragment", [](Bytes& f) { f[21] = 1, mend_ipv4_checksum(f); }, Drop::kFragment},
      {"don't fragment", [](Bytes& f) { f[20] = 0x40, mend_ipv4_checksum(f); }, std::nullopt},
      {"TCP", [](Bytes& f) { f[23] = 6, mend_ipv4_checksum(f); }, Drop::kNotTunnel},
      {"another port", [](Bytes& f) { ++f[37]; }, Drop::kNotTunnel},
      {"UDP length 7", [](Bytes& f) { f[39] = 7; }, Drop::kBadOuterLength},
      {"UDP length beyond IP's", [](Bytes& f) { ++f[39]; }, Drop::kBadOuterLength},
      {"UDP length leaves no room for VXLAN", [](Bytes& f) { f[39] = 15; }, Drop::kBadOuterLength},
      {"no valid VNI", [](Bytes& f) { f[42] = 0xf7; }, Drop::kBadVxlan},
      {"ARP", [](Bytes& f) { f[13] = 6; }, Drop::kNotTunnel},
      {"IPv6's type", [](Bytes& f) { f[12] = 0x86, f[13] = 0xdd; }, Drop::kNotTunnel},
      {"a VLAN tag, where none is ours",
       [](Bytes& f) {
         const uint8_t tag[] = {0x81, 0, 0, 100};
         f.insert(f.begin() + 12, std::begin(tag), std::end(tag));
       },
       Drop::kNotTunnel},
      {"a VLAN tag of priority only",
       [](Bytes& f) {
         const uint8_t tag[] = {0x81, 0, 0xe0, 0};
         f.insert(f.begin() + 12, std::begin(tag), std::end(tag));
       },
       std::nullopt},
      {"40 bytes of options",
       [](Bytes& f) {
         f.insert(f.begin() + 34, 40, 1);
         f[14] = 0x4f, f[17] = static_cast<uint8_t>(f[17] + 40);
         mend_ipv4_checksum(f);
       },
       std::nullopt},
  };
  expect_rows(kOver4, endpoint4(), changes);
}

TEST("decapsulation over IPv6: what is wrong, and its drop reason") {
  const Change changes[] = {
      {"nothing", [](Bytes&) {}, std::nullopt},
      {"cut in the IP header", [](Bytes& f) { cut(f, 53); }, Drop::kBadOuterLength},
      {"cut in the frame", [](Bytes& f) { f.pop_back(); }, Drop::kBadOuterLength},
      {"version 4", [](Bytes& f) { f[14] = 0x40; }, Drop::kBadOuterLength},
      {"payload length 0", [](Bytes& f) { f[19] = 0; }, Drop::kBadOuterLength},
      {"to somebody else", [](Bytes& f) { ++f[53]; }, Drop::kWrongVtep},
      {"a fragment header", [](Bytes& f) { f[20] = 44; }, Drop::kFragment},
      {"options", [](Bytes& f) { f[20] = 0; }, Drop::kNotTunnel},
      {"TCP", [](Bytes& f) { f[20] = 6; }, Drop::kNotTunnel},
      {"another port", [](Bytes& f) { ++f[57]; }, Drop::kNotTunnel},
      {"UDP length beyond IP's", [](Bytes& f) { ++f[59]; }, Drop::kBadOuterLength},
      {"no valid VNI", [](Bytes& f) { f[62] = 0; }, Drop::kBadVxlan},
  };
  expect_rows(kOver6, endpoint6(), changes);
  vxlan::Endpoint strict = endpoint6();
  strict.zero_checksum6 = false;
  const Change none[] = {{"no checksum", [](Bytes&) {}, Drop::kBadOuterChecksum}};
  expect_rows(kOver6, strict, none);
}

TEST("decapsulation on a VLAN takes that VLAN's frames only") {
  vxlan::Endpoint endpoint = endpoint4();
  endpoint.vlan = 100;
  const auto tagged = [](uint8_t id) {
    return [id](Bytes& f) {
      const uint8_t tag[] = {0x81, 0, 0x60, id};
      f.insert(f.begin() + 12, std::begin(tag), std::end(tag));
    };
  };
  const Change changes[] = {
      {"VLAN 100", tagged(100), std::nullopt},
      {"VLAN 101", tagged(101), Drop::kNotTunnel},
      {"untagged", [](Bytes&) {}, Drop::kNotTunnel},
      {"cut in the tag", [&](Bytes& f) { tagged(100)(f), cut(f, 16); }, Drop::kNotTunnel},
  };
  expect_rows(kOver4, endpoint, changes);
}

TEST("the Internet checksum is RFC 1071's, over any cut into pieces") {
  Bytes data(301);
  std::iota(data.begin(), data.end(), uint8_t{77});
  for (size_t length = 0; length < data.size(); ++length) {
    const Bytes part(data.begin(), data.begin() + static_cast<long>(length));
    for (const size_t cut : {size_t{0}, length / 3, length / 2, length}) {
      Checksum sum;
      sum.add(part.data(), cut);
      sum.add(part.data() + cut, length - cut);
      EXPECT_EQ(vxlan::swap16(sum.sum()), reference_sum(part));
    }
  }
}

TEST("encapsulation gives Linux's frame, for what Linux chose") {
  struct Case {
    const char* what;
    const std::string& wanted;
    const char* local;
    const char* remote;
    uint32_t vni;
  };
  const Case cases[] = {{"IPv4", kOver4, "192.0.2.1", "192.0.2.2", 5003},
                        {"IPv6", kOver6, "2001:db8::1", "2001:db8::2", 5002}};
  for (const Case& one : cases) {
    const expect::Row row(one.what);
    const Bytes wanted = bytes(one.wanted.c_str());
    const auto mac_at = [&](size_t at) {
      Mac address = 0;
      std::memcpy(&address, wanted.data() + at, 6);
      return address;
    };
    const vxlan::OuterTemplate outer({.source_mac = mac_at(6),
                                      .destination_mac = mac_at(0),
                                      .local = ip(one.local),
                                      .remote = ip(one.remote),
                                      .port = 4789,
                                      .ttl = 64,
                                      .dont_fragment = false,
                                      .vni = one.vni});
    const Bytes inner = bytes(kInner);
    std::vector<std::byte> head(vxlan::kOuterRoom);
    outer.write(
        head.data(),
        {.inner_length = static_cast<uint32_t>(inner.size()), .source_port = 0xafe5, .id = 0x5223});
    Bytes got(outer.size());
    std::memcpy(got.data(), head.data(), got.size());
    got.insert(got.end(), inner.begin(), inner.end());
    EXPECT(got == wanted);
  }
}

TEST("what is encapsulated is decapsulated, sealed or not, with every option") {
  for (const bool ipv4 : {true, false}) {
    for (const uint16_t vlan : {uint16_t{0}, uint16_t{100}}) {
      for (const bool sealed : {true, false}) {
        for (const size_t length : {size_t{14}, size_t{60}, size_t{61}, size_t{1501}}) {
          const expect::Row row(std::string(ipv4 ? "IPv4" : "IPv6") + ", VLAN " +
                                std::to_string(vlan) + (sealed ? ", sealed, " : ", ") +
                                std::to_string(length) + " bytes");
          const Bytes inner = frame(2, 1, length);
          Checksum sum;
          sum.add(inner.data(), inner.size());
          const vxlan::OuterTemplate outer({.vlan = vlan,
                                            .local = ip(ipv4 ? "192.0.2.1" : "2001:db8::1"),
                                            .remote = ip(ipv4 ? "192.0.2.2" : "2001:db8::2"),
                                            .port = 8472,
                                            .vni = 0xabcdef});
          std::vector<std::byte> head(vxlan::kOuterRoom);
          outer.write(head.data(), {.inner_length = static_cast<uint32_t>(length),
                                    .source_port = 50000,
                                    .id = 0xffff,
                                    .tos = 0xb8});
          if (sealed) {
            outer.seal(head.data(), sum);
          }
          Bytes whole(outer.size());
          std::memcpy(whole.data(), head.data(), whole.size());
          whole.insert(whole.end(), inner.begin(), inner.end());
          vxlan::Endpoint endpoint = ipv4 ? endpoint4() : endpoint6();
          endpoint.port = 8472;
          endpoint.vlan = vlan;
          const vxlan::Decapsulated out = decapsulate(whole, endpoint);
          EXPECT(!out.drop);
          EXPECT_EQ(out.vni, 0xabcdefU);
          EXPECT_EQ(out.inner, outer.size());
          EXPECT_EQ(out.length, length);
          EXPECT_EQ(out.checksum.has_value(), sealed);
          if (sealed) {
            Checksum all = *out.checksum;
            all.add(inner.data(), inner.size());
            EXPECT_EQ(all.sum(), vxlan::kChecksumHolds);
          }
        }
      }
    }
  }
}

TEST("a UDP checksum that comes out as zero is written as all ones") {
  const vxlan::OuterTemplate outer(
      {.local = ip("192.0.2.1"), .remote = ip("192.0.2.2"), .port = 4789, .vni = 7});
  Bytes inner = frame(2, 1, 60);
  std::vector<std::byte> head(vxlan::kOuterRoom);
  const auto sealed = [&] {
    Checksum sum;
    sum.add(inner.data(), inner.size());
    outer.write(head.data(), {.inner_length = 60, .source_port = 50000});
    outer.seal(head.data(), sum);
    return vxlan::read<vxlan::Udp>(head.data() + 34).checksum;
  };
  inner[58] = inner[59] = 0;
  const uint16_t missing = sealed();
  std::memcpy(inner.data() + 58, &missing, sizeof missing);
  EXPECT_EQ(sealed(), 0xffff);
}

TEST("what is said of neighbours is believed only if it is whole and from this Ethernet") {
  struct Change {
    const char* what;
    size_t at;
    uint8_t to;
  };
  const Change arp[] = {{"hardware", 15, 6},          {"protocol", 17, 1},
                        {"hardware's length", 18, 5}, {"protocol's length", 19, 16},
                        {"operation", 21, 3},         {"a group's sender", 22, 3}};
  const Change nd[] = {{"next header", 20, 17},   {"hop limit", 21, 254}, {"payload", 19, 33},
                       {"type", 54, 134},         {"code", 55, 1},        {"checksum", 57, 0xaa},
                       {"another option", 78, 2}, {"its length", 79, 2}};
  const auto holds = [](const Bytes& bytes) {
    return vxlan::read_neighbor(std::as_bytes(std::span(bytes)),
                                static_cast<uint32_t>(bytes.size()))
        .has_value();
  };
  for (const bool ipv4 : {true, false}) {
    const vxlan::Station self{ip(ipv4 ? "192.0.2.1" : "2001:db8::1"), mac(1), 0};
    Bytes asked(vxlan::kMaxNeighborFrame);
    asked.resize(vxlan::write_question(reinterpret_cast<std::byte*>(asked.data()), self,
                                       ip(ipv4 ? "192.0.2.2" : "2001:db8::2")));
    EXPECT(holds(asked));
    for (const Change& change : ipv4 ? std::span<const Change>(arp) : std::span<const Change>(nd)) {
      const expect::Row row(std::string(ipv4 ? "ARP: " : "ND: ") + change.what);
      Bytes changed = asked;
      EXPECT(changed[change.at] != change.to);
      changed[change.at] = change.to;
      if (!ipv4 && change.at != 57 && change.at < 58 + 24) {
        // All but the checksum's own case has a checksum that holds.
        vxlan::Checksum sum;
        const std::array<uint32_t, 2> pseudo{vxlan::swap32(32), vxlan::swap32(58)};
        changed[56] = changed[57] = 0;
        sum.add(changed.data() + 22, 32);
        sum.add(pseudo.data(), sizeof pseudo);
        sum.add(changed.data() + 54, 32);
        const uint16_t complement = sum.complement();
        std::memcpy(changed.data() + 56, &complement, sizeof complement);
      }
      EXPECT(!holds(changed));
    }
    Bytes cut = asked;
    cut.pop_back();
    EXPECT(!holds(cut));
    const vxlan::Station group{self.address, mac(1) | 1, 0};
    asked.resize(vxlan::kMaxNeighborFrame);
    asked.resize(vxlan::write_question(reinterpret_cast<std::byte*>(asked.data()), group,
                                       ip(ipv4 ? "192.0.2.2" : "2001:db8::2")));
    EXPECT(!holds(asked));
  }
}

TEST("the flow hash: equal within a flow, spread between flows, fragments together") {
  const auto hash = [](const Bytes& frame) {
    return vxlan::flow_hash(std::as_bytes(std::span(frame)));
  };
  Bytes tcp = frame(2, 1, 64);
  tcp[14] = 0x45, tcp[20] = 0x40, tcp[21] = 0, tcp[23] = 6;
  const uint32_t first = hash(tcp);
  Bytes later = tcp;
  later[40] ^= 0xff, later[18] ^= 0xff;  // sequence number, identification
  EXPECT_EQ(hash(later), first);
  Bytes other = tcp;
  ++other[35];  // source port
  EXPECT(hash(other) != first);
  Bytes fragment = tcp;
  fragment[20] = 0x20;
  Bytes last = fragment;
  last[20] = 0, last[21] = 0xb9, last[34] ^= 0xff;
  EXPECT_EQ(hash(fragment), hash(last));
  std::vector<int> ports(16);
  for (int i = 0; i < 1600; ++i) {
    tcp[34] = static_cast<uint8_t>(i >> 8), tcp[35] = static_cast<uint8_t>(i);
    ++ports[hash(tcp) % 16];
  }
  EXPECT(std::ranges::all_of(ports, [](int count) { return count > 50 && count < 150; }));
  EXPECT(hash(Bytes(3)) == hash(Bytes{}));
}

TEST("addresses: text to bits and back; neither family is refused") {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::1", "255.255.255.255"}) {
    EXPECT_EQ(ip(text).text(), text);
  }
  IpAddress none;
  for (const char* text : {"", "192.0.2", "192.0.2.256", "2001::db8::1", "x", "192.0.2.1/24"}) {
    const expect::Row row(text);
    EXPECT(!IpAddress::parse(text, none));
  }
  EXPECT(ip("224.0.0.1").is_multicast());
  EXPECT(ip("ff02::1").is_multicast());
  EXPECT(!ip("192.0.2.1").is_multicast());
  EXPECT(ip("0.0.0.0").is_unspecified());
  EXPECT(ip("::").is_unspecified());
}
