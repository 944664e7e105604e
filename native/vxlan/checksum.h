// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words. Words are added in host order, which
// gives the sum in host order (RFC 1071, 2 B): what is written to a packet needs no swapping either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace memswitch::vxlan {

class Checksum {
 public:
  // Pieces may begin at odd places; each but the last may be of odd length as well.
  void add(const void* data, size_t length) {
    const auto* at = static_cast<const unsigned char*>(data);
    uint64_t sum = 0;
    size_t left = length;
    for (; left >= 4; left -= 4, at += 4) {
      uint32_t word;
      std::memcpy(&word, at, sizeof word);
      sum += word;
    }
    if (left >= 2) {
      uint16_t word;
      std::memcpy(&word, at, sizeof word);
      sum += word;
      at += 2;
      left -= 2;
    }
    if (left == 1) {
      sum += *at;  // followed by a zero byte
    }
    const uint16_t part = fold(sum);
    // After an odd number of bytes, all that follows stands at the other half of its word.
    sum_ += odd_ ? static_cast<uint16_t>(part << 8 | part >> 8) : part;
    odd_ ^= (length & 1) != 0;
  }

  // Of `N` bytes at once.
  template <size_t N>
  static uint16_t of(const std::byte* data) {
    static_assert(N % 4 == 0);
    uint64_t sum = 0;
#pragma GCC unroll 16
    for (size_t at = 0; at < N; at += 4) {
      uint32_t word;
      std::memcpy(&word, data + at, sizeof word);
      sum += word;
    }
    return fold(sum);
  }

  // Another sum, of data that follows at an even place.
  void add(const Checksum& other) {
    sum_ += other.sum();
  }

  [[nodiscard]] uint16_t sum() const {
    return fold(sum_);
  }
  // What makes the sum of the whole all ones.
  [[nodiscard]] uint16_t complement() const {
    return static_cast<uint16_t>(~sum());
  }

 private:
  static uint16_t fold(uint64_t sum) {
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
  }

  uint64_t sum_ = 0;
  bool odd_ = false;
};

inline constexpr uint16_t kChecksumHolds = 0xffff;  // the sum of data and its checksum

}  // namespace memswitch::vxlan
