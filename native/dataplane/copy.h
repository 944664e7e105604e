// Copies of frames. Never a byte more than the frame has: what lies behind it in the sender's memory is none of
// the receiver's business.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace memswitch {

template <size_t N>
inline void copy_fixed(std::byte* to, const std::byte* from) {
  static_assert(N % 16 == 0);
  __m128i part[N / 16];
  for (size_t i = 0; i < N / 16; ++i) {
    part[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + i);
  }
  for (size_t i = 0; i < N / 16; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + i, part[i]);
  }
}

// Two pieces that overlap in the middle: exact for every length from N to 2 N without a loop.
template <size_t N>
inline void copy_ends(std::byte* to, const std::byte* from, size_t length) {
  if constexpr (N >= 16) {
    copy_fixed<N>(to, from);
    copy_fixed<N>(to + length - N, from + length - N);
  } else {
    std::memcpy(to, from, N);
    std::memcpy(to + length - N, from + length - N, N);
  }
}

// Up to 64 bytes.
inline void copy_short(std::byte* to, const std::byte* from, size_t length) {
  if (length >= 32) {
    copy_ends<32>(to, from, length);
  } else if (length >= 16) {
    copy_ends<16>(to, from, length);
  } else if (length >= 8) {
    copy_ends<8>(to, from, length);
  } else if (length >= 4) {
    copy_ends<4>(to, from, length);
  } else {
    for (size_t i = 0; i < length; ++i) {
      to[i] = from[i];
    }
  }
}

}  // namespace memswitch
