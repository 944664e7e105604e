// Copies by each width of registers that this processor has: exactly the frame, and nothing beside it.
#include "dataplane/copy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "test/native/expect.h"

using namespace memswitch;

namespace {

using Copy = void(std::byte* to, const std::byte* from, uint32_t length);

// A frame as transmit() writes it.
template <uint32_t kWidth>
[[gnu::always_inline]] inline void copy_frame(std::byte* to, const std::byte* from,
                                              uint32_t length) {
  if (length < kLine / 2) {
    copy_piece<kWidth>(to, from, length);
  } else if (length < kLine) {
    copy_line_or_less<kWidth>(to, from, length);
  } else if (length % 2 == 0) {  // as copy_pieces()
    const uint32_t first = kLine + (length - kLine) / 3;
    copy_piece<kWidth>(to + kLine, from + kLine, first - kLine);
    copy_piece<kWidth>(to + first, from + first, length - first);
    copy_line<kWidth>(to, from);
  } else {
    copy_rest<kWidth>(to, from, length);
    copy_line<kWidth>(to, from);
  }
}

void by_16(std::byte* to, const std::byte* from, uint32_t length) {
  copy_frame<16>(to, from, length);
}
[[gnu::target("avx2")]] void by_32(std::byte* to, const std::byte* from, uint32_t length) {
  copy_frame<32>(to, from, length);
}
[[gnu::target("avx512f")]] void by_64(std::byte* to, const std::byte* from, uint32_t length) {
  copy_frame<64>(to, from, length);
}

constexpr uint32_t kLongest = 9000;
constexpr uint32_t kMargin = 64;
constexpr std::byte kUntouched{0xa5};

void expect_exact(Copy* copy, uint32_t length) {
  std::vector<std::byte> from(length);
  for (uint32_t i = 0; i < length; ++i) {
    from[i] = static_cast<std::byte>(i * 7 + i / 251 + 1);
  }
  std::vector<std::byte> to(length + 2 * kMargin, kUntouched);
  copy(to.data() + kMargin, from.data(), length);
  const auto begin = to.begin() + kMargin;
  const auto end = begin + length;
  EXPECT(std::equal(from.begin(), from.end(), begin));
  const auto untouched = [](std::byte b) { return b == kUntouched; };
  EXPECT(std::all_of(to.begin(), begin, untouched));
  EXPECT(std::all_of(end, to.end(), untouched));
}

}  // namespace

TEST("a frame is copied to the byte by registers of every width") {
  const std::pair<const char*, Copy*> widths[] = {
      {"16", by_16}, {"32", widest(by_16, by_32, by_32)}, {"64", widest(by_16, by_32, by_64)}};
  for (const auto& [name, copy] : widths) {
    for (uint32_t length = 0; length <= kLongest; length += length < 400 ? 1 : 97) {
      const expect::Row row(std::string(name) + " bytes wide, frame of " + std::to_string(length));
      expect_exact(copy, length);
    }
  }
}

TEST("short pieces are copied to the byte") {
  for (uint32_t length = 0; length <= 2 * kLine; ++length) {
    const expect::Row row("piece of " + std::to_string(length));
    expect_exact([](std::byte* to, const std::byte* from, uint32_t n) { copy_short(to, from, n); },
                 length);
  }
}
