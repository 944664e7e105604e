// Which of its queues a worker looks at, and when it sleeps.
//
// A queue that has been empty for kPark is parked: its interrupt is unmasked, and nobody looks at it until its eventfd
// says so. So a thousand idle ports cost a busy pair nothing but a system call every kLook. A worker that has found
// nothing at all for kSpin parks all its queues and sleeps on their eventfds and on its mailbox.
//
//   busy       never parks, never sleeps
//   adaptive   as above
//   interrupt  sleeps at the first empty round
//
// A queue may differ from its worker: a busy one is never parked and keeps the worker awake, an interrupt one is parked
// whenever it is found empty at kLook.
//
// A busy queue that has been empty for kPark rests instead: while the worker has work it is looked at once in kSweep_us,
// and while it has none, as often as the worker gets round. Looking at a thousand silent queues in every round made a
// busy pair 3.6 times slower.
//
// Parking is a race with senders: unmask the interrupt, then look once more (RxQueue::arm does both, with a full fence
// between). That closes our half. A sender may lack the fence on its side (DPDK and libmemif do) and read the old mask
// while its new index is still in its store buffer; so queues just parked are looked at once again after kNap, when
// that store has long been visible.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/worker.h"

namespace memswitch {

class Pollset {
 public:
  explicit Pollset(Worker& worker);

  // The queues to look at in this round. Takes up a new plan; not to be kept beyond the round.
  std::span<RxQueue* const> active();
  // After the round, which moved so many frames: accounts its time, parks, wakes, sleeps.
  void after(uint32_t frames);

 private:
  static constexpr uint64_t kSpin_us = 50;
  static constexpr uint64_t kPark_us = 1000;
  static constexpr uint64_t kLook_us = 50;
  static constexpr uint64_t kSweep_us = 250;
  static constexpr size_t kGlance = 32;  // resting queues looked at in a round without frames
  static constexpr int kNap_ms = 1;
  static constexpr int kForever = -1;

  void look_for_plan();
  void take_plan();
  void activate(RxQueue& queue);
  [[nodiscard]] Polling how(const RxQueue& queue) const {
    return queue.polling.load(std::memory_order_relaxed).value_or(plan_->polling);
  }
  // Parks the active queues that have been empty for `idle` cycles, or puts them to rest; those with frames waiting stay.
  void park(uint64_t idle);
  [[nodiscard]] bool stays(RxQueue& queue, uint64_t idle);
  // Adds some of the resting queues to the round.
  void glance();
  // Those of them that had frames are active again.
  void rouse();
  void note_drowsy(RxQueue& queue);
  // Wakes those whose eventfd was written to. Returns whether anything, also the mailbox, spoke.
  bool take_wakeups(int timeout_ms);
  void look_again_at_parked();
  void sleep();

  Worker& worker_;
  uint64_t serial_ = 0;  // of the plan taken
  const Plan* plan_ = nullptr;
  std::vector<RxQueue*> active_;   // and in a round, behind them, the resting ones looked at
  std::vector<RxQueue*> resting_;  // in a circle
  std::vector<RxQueue*> drowsy_;   // parked since the last look_again_at_parked()
  size_t active_count_ = 0;
  size_t resting_count_ = 0;
  size_t glanced_count_ = 0;  // in this round
  size_t glance_at_ = 0;      // the next resting queue
  size_t drowsy_count_ = 0;
  size_t queues_ = 0;

  const uint64_t us_;     // cycles in a microsecond
  uint64_t busy_until_;   // the last round that moved a frame
  bool working_ = false;  // the last round moved a frame
  uint64_t looked_ = 0;   // the last time for parking and wake-ups
  uint64_t glanced_ = 0;  // the last time for resting queues
  uint64_t drowsed_ = 0;  // when the first of drowsy_ was parked
};

// Time-stamp counter ticks a second, measured once.
uint64_t cycles_per_second();

}  // namespace memswitch
