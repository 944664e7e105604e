// A token bucket, as the moment at which it will be full again ("virtual scheduling", ITU-T I.371, A.1): one word, which
// any number of workers share. Time is the time-stamp counter, which all CPUs count alike (constant_tsc).
//
// A frame passes if the bucket holds it, or is full: so even the longest frame needs no deep bucket. Over any time there
// pass at most the rate's share of it and a bucket, or a frame that is longer than the bucket.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace memswitch {

class Meter {
 public:
  // Units (frames, or bits) a second, and how many may come at once; both from 1 on, the depth at most an hour's.
  Meter(uint64_t rate, uint64_t depth, uint64_t cycles_per_second)
      : price_(static_cast<uint64_t>((static_cast<Wide>(cycles_per_second) << kFraction) / rate)),
        depth_(std::max<uint64_t>(cost(depth), 1)) {}

  // How many of `count` things pass now, the first ones; they are paid. `units(i)`: what the i-th one costs.
  //
  // One exchange for all of them. It is tried again only when another worker was served meanwhile: nobody waits for
  // somebody who sleeps.
  template <typename Units>
  uint16_t take(uint64_t now, uint16_t count, Units units) {
    uint64_t before = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t from = std::max(before, now);
      uint64_t sum = 0;
      uint64_t after = from;
      uint16_t taken = 0;
      for (; taken < count; ++taken) {
        sum += static_cast<uint64_t>(units(taken));
        const uint64_t then = from + cost(sum);
        if (then > now + depth_ && after > now) {
          break;
        }
        after = then;
      }
      if (taken == 0 || full_at_.compare_exchange_weak(before, after, std::memory_order_relaxed)) {
        return taken;
      }
    }
  }

 private:
  using Wide = unsigned __int128;
  static constexpr int kFraction = 24;  // bits of a cycle, that a price is exact to

  // Of the sum, not of each: so rounding is off by a cycle a burst at most.
  [[nodiscard]] uint64_t cost(uint64_t units) const {
    return static_cast<uint64_t>((static_cast<Wide>(units) * price_) >> kFraction);
  }

  const uint64_t price_;  // of a unit, in cycles
  const uint64_t depth_;  // of the bucket, in cycles
  alignas(64) std::atomic<uint64_t> full_at_{0};
};

}  // namespace memswitch
