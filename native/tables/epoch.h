// Quiescent-state reclamation: control threads replace what poll threads read, and free the old once every poll
// thread has passed a point where it holds nothing. No poll thread ever waits; a control thread that wants to free
// looks again later.
//
//   poll thread   quiescent() between bursts: "I hold nothing from before now"
//                 offline() before it sleeps, online() after: asleep it holds nothing and delays nobody
//   control       store the new pointer (seq_cst), retire() → epoch e; when passed(e): free the old
//
// A worker that reads the global epoch e has also, by that acquire, the pointer stored before it. From offline to
// online there is no such read before the first use, so both sides order theirs by seq_cst instead.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tables/limits.h"

namespace memswitch {

class Epoch {
 public:
  void quiescent(uint16_t worker) {
    seen_[worker].at.store(now_.load(std::memory_order_acquire), std::memory_order_release);
  }
  void online(uint16_t worker) {
    seen_[worker].at.exchange(now_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  }
  void offline(uint16_t worker) { seen_[worker].at.store(kOffline, std::memory_order_release); }

  uint64_t retire() { return now_.fetch_add(1, std::memory_order_seq_cst) + 1; }

  [[nodiscard]] bool passed(uint64_t epoch) const {
    for (const Seen& seen : seen_) {
      if (seen.at.load(std::memory_order_seq_cst) < epoch) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr uint64_t kOffline = UINT64_MAX;
  struct alignas(64) Seen {
    std::atomic<uint64_t> at{kOffline};
  };

  alignas(64) std::atomic<uint64_t> now_{1};
  std::array<Seen, kMaxWorkers> seen_;
};

}  // namespace memswitch
