// Counters of one worker: one writer, read at any time by anybody without stopping it. A plain 64-bit store is
// whole on x86-64, so relaxed atomics cost nothing and say what happens.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/drops.h"

namespace memswitch {

class Counter {
 public:
  void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

static_assert(sizeof(Counter) == sizeof(uint64_t));

// Over all ports and workers: rx_frames + copies == tx_frames + consumed + the sum of drops, whatever happens.
struct alignas(64) PortCounters {
  Counter rx_frames;
  Counter rx_bytes;
  Counter tx_frames;
  Counter tx_bytes;
  Counter copies;         // frames that flooding added, at the port they came from
  Counter moves;          // addresses that came to this port from another
  Counter learn_limited;  // frames whose source could not be learned
  Counter consumed;       // frames that ended here: a tunnel's outer frame, a question answered
  std::array<Counter, kDropReasons> drops;

  void drop(Drop reason, uint64_t frames = 1) { drops[static_cast<size_t>(reason)].add(frames); }

  void reset() {
    for (Counter* c : {&rx_frames, &rx_bytes, &tx_frames, &tx_bytes, &copies, &moves,
                       &learn_limited, &consumed}) {
      c->reset();
    }
    for (Counter& c : drops) {
      c.reset();
    }
  }
};

inline constexpr size_t kPortStride = sizeof(PortCounters) / sizeof(Counter);

// Bursts of 1, 2, 3 to 4, 5 to 8, … 129 to 256 frames.
inline constexpr std::array<uint16_t, 9> kBurstBounds{1, 2, 4, 8, 16, 32, 64, 128, 256};

struct alignas(64) WorkerCounters {
  Counter loops;
  Counter busy_cycles;  // in rounds that moved a frame
  Counter idle_cycles;  // in rounds that found none, and asleep
  Counter sleeps;
  Counter frames;
  Counter bursts;
  std::array<Counter, kBurstBounds.size()> burst_frames;

  void count_burst(uint16_t size) {
    frames.add(size);
    bursts.add(1);
    // 1 → 0, 2 → 1, 3..4 → 2, … : the bits of size - 1.
    burst_frames[size <= 1 ? 0 : static_cast<size_t>(32 - __builtin_clz(size - 1U))].add(1);
  }
};

}  // namespace memswitch
