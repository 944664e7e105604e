// What a worker does when there is nothing to do.
//
//   busy       looks again at once, for ever
//   adaptive   looks again for kSpin, then sleeps
//   interrupt  sleeps at the first empty round
//
// Asleep, it is woken by the eventfds of its queues and by its mailbox. Going to sleep is a race with senders: unmask
// the interrupts, then look once more (RxQueue::arm does both, with a full fence between). That closes our half. A
// sender may lack the fence on its side (DPDK and libmemif do) and read the old mask while its new index is still in
// its store buffer; so the first sleep is only a nap, after which that store has long been visible.
#pragma once

#include <cstdint>

#include "dataplane/worker.h"

namespace memswitch {

class Idle {
 public:
  explicit Idle(Worker& worker);

  // After each round over the plan.
  void after(uint32_t frames);

 private:
  static constexpr uint64_t kSpin_us = 50;
  static constexpr int kNap_ms = 1;
  static constexpr int kForever = -1;

  void sleep();
  bool arm();
  bool wait(int timeout_ms);
  void disarm();

  Worker& worker_;
  uint64_t last_;         // when the last round ended, in cycles
  uint64_t idle_since_;   // when the last frame was seen, in cycles
  uint64_t spin_cycles_;  // UINT64_MAX: never sleep
};

// Time-stamp counter ticks a second, measured once.
uint64_t cycles_per_second();

}  // namespace memswitch
