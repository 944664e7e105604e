// An IPv4 or IPv6 address in one form: 128 bits, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that comparing, hashing and
// keeping are one piece of code for both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace memswitch {

struct IpAddress {
  std::array<std::byte, 16> bytes{};

  // By words: what the compiler makes of arrays of bytes is a loop.
  bool operator==(const IpAddress& other) const {
    const auto difference = [&](size_t at) { return word(at) ^ other.word(at); };
    return (difference(0) | difference(8)) == 0;
  }

  [[nodiscard]] bool is_ipv4() const {
    return word(0) == 0 && static_cast<uint32_t>(word(8)) == kMappedWord;
  }
  // The four bytes of an IPv4 address, or the sixteen of an IPv6 one, in network order.
  [[nodiscard]] const std::byte* data() const { return bytes.data() + (is_ipv4() ? 12 : 0); }
  // Of an IPv4 one.
  [[nodiscard]] std::array<std::byte, 4> four() const {
    return {bytes[12], bytes[13], bytes[14], bytes[15]};
  }
  [[nodiscard]] size_t size() const { return is_ipv4() ? 4 : 16; }
  [[nodiscard]] bool is_unspecified() const {
    const std::byte* at = data();
    for (size_t i = 0; i < size(); ++i) {
      if (at[i] != std::byte{0}) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool is_multicast() const {
    return is_ipv4() ? (bytes[12] & std::byte{0xf0}) == std::byte{0xe0}
                     : bytes[0] == std::byte{0xff};
  }

  static IpAddress ipv4(const void* network_order) {
    IpAddress address;
    std::memcpy(address.bytes.data() + 8, &kMappedWord, 4);
    std::memcpy(address.bytes.data() + 12, network_order, 4);
    return address;
  }
  static IpAddress ipv6(const void* network_order) {
    IpAddress address;
    std::memcpy(address.bytes.data(), network_order, 16);
    return address;
  }

  // Control threads. False: the text is neither; then `address` is unchanged.
  static bool parse(const std::string& text, IpAddress& address);
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] uint64_t word(size_t at) const {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    return word;
  }

  static constexpr uint32_t kMappedWord = 0xffff'0000;  // before an IPv4 address: 0, 0, 0xff, 0xff
};

}  // namespace memswitch
