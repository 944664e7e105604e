// A transmit queue's turn: workers share the queue when they are more than the queues, so one takes it for a whole burst.
#pragma once

#include <emmintrin.h>

#include <atomic>

namespace memswitch {

class alignas(64) TxTurn {
 public:
  // False: another worker held it all the time, about as long as a burst of full-size frames takes.
  bool take() {
    for (int i = 0; i < kTries; ++i) {
      if (!taken_.load(std::memory_order_relaxed) &&
          !taken_.exchange(true, std::memory_order_acquire)) {
        return true;
      }
      _mm_pause();
    }
    return false;
  }
  void give_back() { taken_.store(false, std::memory_order_release); }

 private:
  static constexpr int kTries = 1000;
  std::atomic<bool> taken_{false};
};

}  // namespace memswitch
