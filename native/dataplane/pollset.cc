#include "dataplane/pollset.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <x86intrin.h>

#include <array>
#include <chrono>
#include <utility>

namespace memswitch {

uint64_t cycles_per_second() {
  static const uint64_t measured = [] {
    using Clock = std::chrono::steady_clock;
    const auto from = Clock::now();
    const uint64_t cycles = __rdtsc();
    while (Clock::now() - from < std::chrono::milliseconds(10)) {
    }
    const auto elapsed = std::chrono::duration<double>(Clock::now() - from).count();
    return static_cast<uint64_t>(static_cast<double>(__rdtsc() - cycles) / elapsed);
  }();
  return measured;
}

Pollset::Pollset(Worker& worker)
    : worker_(worker),
      active_(kMaxWorkerQueues),
      drowsy_(kMaxWorkerQueues),
      us_(cycles_per_second() / 1'000'000),
      busy_until_(__rdtsc()) {
  worker.now = busy_until_;
}

std::span<RxQueue* const> Pollset::active() {
  const Plan* plan = worker_.plan.load(std::memory_order_acquire);
  if (plan->serial != serial_) [[unlikely]] {
    plan_ = plan;
    take_plan();
  }
  return {active_.data(), active_count_};
}

// By serial number: a new plan may lie where an old one lay. All its queues are active at first.
void Pollset::take_plan() {
  serial_ = plan_->serial;
  active_count_ = drowsy_count_ = queues_ = 0;
  sleepless_ = worker_.polling == Polling::kBusy;
  for (RxQueue* queue : plan_->slots) {
    if (queue != nullptr) {
      ++queues_;
      queue->drowsy = false;
      sleepless_ = sleepless_ && how(*queue) == Polling::kBusy;
      activate(*queue);
    }
  }
}

void Pollset::activate(RxQueue& queue) {
  queue.disarm();
  queue.parked = false;
  queue.last_frame = worker_.now;
  active_[active_count_++] = &queue;
}

void Pollset::after(uint32_t frames) {
  const uint64_t now = __rdtsc();
  WorkerCounters& counters = worker_.counters;
  counters.loops.add(1);
  (frames > 0 ? counters.busy_cycles : counters.idle_cycles).add(now - worker_.now);
  worker_.now = now;
  if (frames > 0) {
    busy_until_ = now;
  } else {
    _mm_pause();
  }
  const bool look = now - looked_ >= kLook_us * us_;
  if (look) {
    looked_ = now;
  }
  if (frames == 0 || look) {
    settle(worker_);
  }
  if (sleepless_) {
    return;
  }
  const uint64_t spin = worker_.polling == Polling::kInterrupt ? 0 : kSpin_us * us_;
  const bool idle = frames == 0 && now - busy_until_ >= spin;
  if (idle || look) {
    park(idle ? 0 : kPark_us * us_);
  }
  if (active_count_ == 0) {
    sleep();
  } else if (look) {
    if (drowsy_count_ > 0 && now - drowsed_ >= kNap_ms * 1000 * us_) {
      look_again_at_parked();
    }
    if (active_count_ < queues_) {
      take_wakeups(0);
    }
  }
}

void Pollset::park(uint64_t idle) {
  size_t kept = 0;
  for (size_t i = 0; i < active_count_; ++i) {
    RxQueue* queue = active_[i];
    const uint64_t patience = how(*queue) == Polling::kInterrupt ? 0 : idle;
    if (how(*queue) == Polling::kBusy || worker_.now - queue->last_frame < patience) {
      active_[kept++] = queue;
    } else if (queue->arm()) {
      queue->disarm();
      active_[kept++] = queue;
    } else {
      queue->parked = true;
      note_drowsy(*queue);
    }
  }
  active_count_ = kept;
}

void Pollset::note_drowsy(RxQueue& queue) {
  if (queue.drowsy) {
    return;  // one that parks again and again
  }
  if (drowsy_count_ == 0) {
    drowsed_ = worker_.now;
  }
  queue.drowsy = true;
  drowsy_[drowsy_count_++] = &queue;
}

void Pollset::look_again_at_parked() {
  const size_t count = std::exchange(drowsy_count_, 0);
  for (size_t i = 0; i < count; ++i) {
    RxQueue& queue = *drowsy_[i];
    queue.drowsy = false;
    if (queue.parked && queue.arm()) {
      activate(queue);
    }
  }
}

bool Pollset::take_wakeups(int timeout_ms) {
  std::array<epoll_event, 32> events;
  const int count = ::epoll_wait(worker_.sleep_fd.get(), events.data(),
                                 static_cast<int>(events.size()), timeout_ms);
  if (timeout_ms != 0) {
    worker_.shared.epoch.online(worker_.index);
  }
  // The plan may have been replaced while we slept, and queues freed: active() takes up the new one, and only then
  // is a slot's queue a queue.
  active();
  for (int i = 0; i < count; ++i) {
    const uint32_t slot = events[static_cast<size_t>(i)].data.u32;
    if (slot < plan_->slots.size() && plan_->slots[slot] != nullptr && plan_->slots[slot]->parked) {
      activate(*plan_->slots[slot]);
    }
  }
  return count > 0;
}

void Pollset::sleep() {
  while (active_count_ == 0 && !worker_.shared.stop.load(std::memory_order_relaxed)) {
    const bool nap = drowsy_count_ > 0;
    worker_.counters.sleeps.add(1);
    // Offline: control need not wait for us to free what we were looking at.
    worker_.shared.epoch.offline(worker_.index);
    const bool woken = take_wakeups(nap ? kNap_ms : kForever);
    if (nap && !woken) {
      look_again_at_parked();
    } else {
      break;
    }
  }
  const uint64_t now = __rdtsc();
  worker_.counters.idle_cycles.add(now - worker_.now);
  worker_.now = busy_until_ = looked_ = now;
}

}  // namespace memswitch
