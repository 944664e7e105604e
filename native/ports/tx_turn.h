// A transmit queue's turn: workers share the queue when they are more than the queues, so one takes it for a whole burst.
//
// Spinning is enough while each has a CPU. Where they have not, the holder may be off its CPU for as long as a time slice:
// then the others offer it theirs, some dozen times, before they give up. Without that, two workers on one CPU dropped
// frames now and then; with it nothing is spent where the queue is free.
#pragma once

#include <emmintrin.h>
#include <sched.h>

#include <atomic>

namespace memswitch {

class alignas(64) TxTurn {
 public:
  // False: another worker held it all the time, about as long as a time slice.
  bool take() {
    for (int offer = 0; offer < kOffers; ++offer) {
      for (int i = 0; i < kTries; ++i) {
        if (!taken_.load(std::memory_order_relaxed) &&
            !taken_.exchange(true, std::memory_order_acquire)) {
          return true;
        }
        _mm_pause();
      }
      ::sched_yield();
    }
    return false;
  }
  void give_back() { taken_.store(false, std::memory_order_release); }

 private:
  static constexpr int kTries = 1000;  // about as long as a burst of full-size frames takes
  static constexpr int kOffers = 100;
  std::atomic<bool> taken_{false};
};

}  // namespace memswitch
