// Token buckets: what passes is what the rate and the depth say, at any rate, to the frame, also for many workers at once.
#include "dataplane/meter.h"

#include <thread>
#include <vector>

#include "test/native/expect.h"

using memswitch::Meter;

namespace {

constexpr uint64_t kGigahertz = 1'000'000'000;

uint16_t take(Meter& meter, uint64_t now, uint16_t count, uint64_t each = 1) {
  return meter.take(now, count, [each](uint16_t) { return each; });
}

}  // namespace

TEST("a bucket lets its depth pass at once, then its rate") {
  Meter meter(1000, 10, kGigahertz);
  constexpr uint64_t kMillisecond = 1'000'000;  // in cycles
  const uint64_t start = 123 * kGigahertz;
  EXPECT_EQ(take(meter, start, 64), 10);
  EXPECT_EQ(take(meter, start, 1), 0);
  EXPECT_EQ(take(meter, start + kMillisecond - 1, 64), 0);
  EXPECT_EQ(take(meter, start + kMillisecond, 64), 1);
  EXPECT_EQ(take(meter, start + 4 * kMillisecond, 64), 3);
  EXPECT_EQ(take(meter, start + 3600 * kGigahertz, 64), 10);
}

TEST("a frame may overdraw a full bucket, and the next one waits for it") {
  Meter meter(8'000, 8, kGigahertz);  // bits: a byte deep
  EXPECT_EQ(take(meter, kGigahertz, 3, 800), 1);
  EXPECT_EQ(take(meter, kGigahertz + 99'999'999, 1, 800), 0);
  EXPECT_EQ(take(meter, kGigahertz + 100'000'000, 1, 800), 1);
}

TEST("over a long time a bucket's rate is exact, slow or fast") {
  for (const uint64_t rate : {1ULL, 7ULL, 999ULL, 1'000'003ULL, 100'000'000ULL, 999'999'999ULL}) {
    const expect::Row row(std::to_string(rate));
    constexpr uint64_t kDepth = 1000;
    Meter meter(rate, kDepth, 3 * kGigahertz);
    const uint64_t step = 3 * kGigahertz / rate / 3 + 1;
    constexpr uint64_t kSteps = 100'000;
    uint64_t passed = 0;
    for (uint64_t i = 1; i <= kSteps; ++i) {
      passed += take(meter, i * step, 64);
    }
    const double wanted =
        static_cast<double>(kSteps * step) / (3.0 * kGigahertz) * static_cast<double>(rate);
    // The price of a burst is off by a cycle at most, and here each burst is one frame.
    const double cycle = static_cast<double>(rate) / (3.0 * kGigahertz);
    EXPECT(static_cast<double>(passed) <= wanted * (1.0001 + cycle) + kDepth + 1);
    EXPECT(static_cast<double>(passed) >= wanted * 0.9999 - 1);
  }
}

TEST("workers that share a bucket get its depth between them, to the frame") {
  Meter meter(1, 100'000, kGigahertz);
  std::atomic<uint64_t> passed{0};
  {
    std::vector<std::jthread> workers;
    for (int w = 0; w < 4; ++w) {
      workers.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          passed += take(meter, kGigahertz, 37);
        }
      });
    }
  }
  EXPECT_EQ(passed.load(), 100'000);
}
