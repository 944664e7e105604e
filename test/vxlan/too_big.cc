// Answers to packets that are too long, and when there is none.
#include "vxlan/too_big.h"

#include <functional>

#include "test/native/expect.h"
#include "vxlan/checksum.h"
#include "vxlan/wire.h"

using namespace memswitch;

namespace {

using Bytes = std::vector<uint8_t>;

void sum4(Bytes& frame, size_t ip) {
  frame[ip + 10] = frame[ip + 11] = 0;
  vxlan::Checksum sum;
  sum.add(frame.data() + ip, 20);
  const uint16_t value = sum.complement();
  std::memcpy(frame.data() + ip + 10, &value, 2);
}

// UDP from 10.0.0.1 to 10.0.0.2, not to be cut.
Bytes ipv4(size_t length, bool tagged = false) {
  Bytes frame{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  if (tagged) {
    frame.insert(frame.end(), {0x81, 0, 0x20, 5});
  }
  frame.insert(frame.end(), {8, 0});
  const size_t ip = frame.size();
  const size_t total = length - ip;
  frame.insert(frame.end(), {0x45,
                             0,
                             static_cast<uint8_t>(total >> 8),
                             static_cast<uint8_t>(total),
                             1,
                             2,
                             0x40,
                             0,
                             64,
                             17,
                             0,
                             0,
                             10,
                             0,
                             0,
                             1,
                             10,
                             0,
                             0,
                             2});
  frame.resize(length, 0x5a);
  sum4(frame, ip);
  return frame;
}

Bytes ipv6(size_t length) {
  Bytes frame{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0};
  const size_t payload = length - 54;
  frame.insert(frame.end(),
               {static_cast<uint8_t>(payload >> 8), static_cast<uint8_t>(payload), 17, 64});
  for (const uint8_t last : {uint8_t{1}, uint8_t{2}}) {
    frame.insert(frame.end(), {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
  }
  frame.resize(length, 0x5a);
  return frame;
}

Bytes answer(const Bytes& frame, uint32_t longest) {
  Bytes made(vxlan::kMaxTooBig);
  const size_t head = std::min<size_t>(frame.size(), vxlan::kTooBigHead);
  const uint32_t length =
      vxlan::write_too_big(reinterpret_cast<std::byte*>(made.data()),
                           std::as_bytes(std::span(frame)).first(head), longest);
  made.resize(length);
  return made;
}

uint16_t sum_of(const Bytes& bytes, size_t from, size_t length) {
  vxlan::Checksum sum;
  sum.add(bytes.data() + from, length);
  return sum.sum();
}

}  // namespace

TEST(
    "too big over IPv4: from whom the packet is for, to who sent it, with the MTU and its "
    "beginning") {
  for (const bool tagged : {false, true}) {
    const Bytes sent = ipv4(1500, tagged);
    const Bytes made = answer(sent, 1464);
    const size_t ip = tagged ? 18 : 14;
    EXPECT_EQ(made.size(), ip + 576);
    EXPECT(std::equal(made.begin(), made.begin() + 6, sent.begin() + 6));
    EXPECT(std::equal(made.begin() + 6, made.begin() + 12, sent.begin()));
    EXPECT(std::equal(made.begin() + 12, made.begin() + static_cast<long>(ip), sent.begin() + 12));
    EXPECT_EQ(sum_of(made, ip, 20), vxlan::kChecksumHolds);
    EXPECT_EQ(sum_of(made, ip + 20, made.size() - ip - 20), vxlan::kChecksumHolds);
    EXPECT_EQ(made[ip + 9], 1);
    EXPECT_EQ(made[ip + 15], 2);  // from 10.0.0.2
    EXPECT_EQ(made[ip + 19], 1);  // to 10.0.0.1
    EXPECT_EQ(made[ip + 20], 3);
    EXPECT_EQ(made[ip + 21], 4);
    EXPECT_EQ(made[ip + 26] << 8 | made[ip + 27], 1464 - static_cast<int>(ip));
    EXPECT(std::equal(made.begin() + static_cast<long>(ip) + 28, made.end(),
                      sent.begin() + static_cast<long>(ip)));
  }
}

TEST("too big over IPv6: no longer than IPv6's least MTU") {
  const Bytes sent = ipv6(1500);
  const Bytes made = answer(sent, 1444);
  EXPECT_EQ(made.size(), 14U + 1280);
  EXPECT_EQ(made[14 + 6], 58);
  EXPECT_EQ(made[14 + 23], 2);
  EXPECT_EQ(made[14 + 39], 1);
  EXPECT_EQ(made[54], 2);
  EXPECT_EQ(made[60] << 8 | made[61], 1430);
  EXPECT(std::equal(made.begin() + 62, made.end(), sent.begin() + 14));
  const std::array<uint8_t, 8> pseudo{0, 0, 1240 >> 8, 1240 & 0xff, 0, 0, 0, 58};
  vxlan::Checksum sum;
  sum.add(made.data() + 22, 32);
  sum.add(pseudo.data(), pseudo.size());
  sum.add(made.data() + 54, 1240);
  EXPECT_EQ(sum.sum(), vxlan::kChecksumHolds);
}

TEST("too big: what gets no answer") {
  struct Case {
    const char* what;
    std::function<void(Bytes&)> change;
  };
  const Case cases4[] = {
      {"to a group", [](Bytes& f) { f[0] = 1; }},
      {"may be cut", [](Bytes& f) { f[20] = 0; }},
      {"a later fragment", [](Bytes& f) { f[21] = 1; }},
      {"an error", [](Bytes& f) { f[23] = 1, f[34] = 3; }},
      {"from nobody", [](Bytes& f) { f[26] = 0; }},
      {"from a group", [](Bytes& f) { f[26] = 224; }},
      {"to everybody", [](Bytes& f) { f[30] = 255; }},
      {"another version", [](Bytes& f) { f[14] = 0x55; }},
      {"no whole header", [](Bytes& f) { f[14] = 0x44; }},
      {"not IP", [](Bytes& f) { f[13] = 6; }},
  };
  for (const Case& one : cases4) {
    const expect::Row row(one.what);
    Bytes frame = ipv4(1500);
    one.change(frame);
    sum4(frame, 14);
    EXPECT_EQ(answer(frame, 1464).size(), 0U);
  }
  Bytes wrong = ipv4(1500);
  wrong[24] ^= 1;
  EXPECT_EQ(answer(wrong, 1464).size(), 0U);
  const Case cases6[] = {
      {"an error", [](Bytes& f) { f[20] = 58, f[54] = 1; }},
      {"from nobody", [](Bytes& f) { std::fill_n(f.begin() + 22, 16, uint8_t{0}); }},
      {"from a group", [](Bytes& f) { f[22] = 0xff; }},
      {"to a group", [](Bytes& f) { f[38] = 0xff; }},
      {"another version", [](Bytes& f) { f[14] = 0x50; }},
  };
  for (const Case& one : cases6) {
    const expect::Row row(one.what);
    Bytes frame = ipv6(1500);
    one.change(frame);
    EXPECT_EQ(answer(frame, 1444).size(), 0U);
  }
  for (size_t cut = 0; cut < 54; ++cut) {
    Bytes frame = ipv6(1500);
    frame.resize(cut);
    EXPECT_EQ(answer(frame, 1444).size(), 0U);
  }
  for (size_t cut = 0; cut < 35; ++cut) {
    Bytes frame = ipv4(1500);
    frame.resize(cut);
    EXPECT_EQ(answer(frame, 1464).size(), 0U);
  }
}
