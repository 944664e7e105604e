#include "dataplane/pollset.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
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
      resting_(kMaxWorkerQueues),
      drowsy_(kMaxWorkerQueues),
      us_(cycles_per_second() / 1'000'000),
      busy_until_(__rdtsc()) {
  worker.now = busy_until_;
}

void Pollset::look_for_plan() {
  const Plan* plan = worker_.plan.load(std::memory_order_acquire);
  if (plan->serial != serial_) [[unlikely]] {
    plan_ = plan;
    take_plan();
  }
}

std::span<RxQueue* const> Pollset::active() {
  look_for_plan();
  glanced_count_ = 0;
  if (resting_count_ > 0) {
    glance();
  }
  return {active_.data(), active_count_ + glanced_count_};
}

// By serial number: a new plan may lie where an old one lay. All its queues are active at first.
void Pollset::take_plan() {
  serial_ = plan_->serial;
  active_count_ = resting_count_ = glance_at_ = drowsy_count_ = queues_ = 0;
  for (RxQueue* queue : plan_->slots) {
    if (queue != nullptr) {
      ++queues_;
      queue->drowsy = false;
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

// So many that the circle is round in kSweep_us, or more when there is nothing else to do.
void Pollset::glance() {
  const size_t due = resting_count_ * (worker_.now - glanced_) / (kSweep_us * us_);
  const size_t count = std::min(resting_count_, working_ ? due : std::max(due, kGlance));
  if (count == 0) {
    return;
  }
  glanced_ = worker_.now;
  for (glanced_count_ = 0; glanced_count_ < count; ++glanced_count_) {
    glance_at_ = glance_at_ + 1 < resting_count_ ? glance_at_ + 1 : 0;
    active_[active_count_ + glanced_count_] = resting_[glance_at_];
  }
}

void Pollset::rouse() {
  const size_t end = active_count_ + std::exchange(glanced_count_, 0);
  for (size_t i = active_count_; i < end; ++i) {
    RxQueue* queue = active_[i];
    if (queue->last_frame == worker_.now) {
      *std::find(resting_.begin(), resting_.end(), queue) = resting_[--resting_count_];
      active_[active_count_++] = queue;
    }
  }
}

void Pollset::after(uint32_t frames) {
  if (glanced_count_ > 0) {
    rouse();
  }
  const uint64_t now = __rdtsc();
  WorkerCounters& counters = worker_.counters;
  counters.loops.add(1);
  (frames > 0 ? counters.busy_cycles : counters.idle_cycles).add(now - worker_.now);
  worker_.now = now;
  working_ = frames > 0;
  if (working_) {
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
  const uint64_t spin = plan_->polling == Polling::kInterrupt ? 0 : kSpin_us * us_;
  const bool idle = frames == 0 && now - busy_until_ >= spin;
  if (idle || look) {
    park(idle ? 0 : kPark_us * us_);
  }
  const bool watching = active_count_ + resting_count_ > 0 || !worker_.unsettled.all().empty();
  if (!watching && (queues_ > 0 || plan_->polling != Polling::kBusy)) {
    sleep();
  } else if (look) {
    if (drowsy_count_ > 0 && now - drowsed_ >= kNap_ms * 1000 * us_) {
      look_again_at_parked();
    }
    if (active_count_ + resting_count_ < queues_) {
      take_wakeups(0);
    }
  }
}

void Pollset::park(uint64_t idle) {
  size_t kept = 0;
  for (size_t i = 0; i < active_count_; ++i) {
    RxQueue* queue = active_[i];
    if (stays(*queue, idle)) {
      active_[kept++] = queue;
    }
  }
  active_count_ = kept;
}

bool Pollset::stays(RxQueue& queue, uint64_t idle) {
  const uint64_t silent = worker_.now - queue.last_frame;
  if (how(queue) == Polling::kBusy) {
    if (silent < kPark_us * us_) {
      return true;
    }
    glanced_ = resting_count_ == 0 ? worker_.now : glanced_;
    resting_[resting_count_++] = &queue;
    return false;
  }
  if (how(queue) != Polling::kInterrupt && silent < idle) {
    return true;
  }
  if (queue.arm()) {
    queue.disarm();
    return true;
  }
  queue.parked = true;
  note_drowsy(queue);
  return false;
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
  // The plan may have been replaced while we slept, and queues freed: only of the new one is a slot's queue a queue.
  look_for_plan();
  for (int i = 0; i < count; ++i) {
    const uint32_t slot = events[static_cast<size_t>(i)].data.u32;
    if (slot < plan_->slots.size() && plan_->slots[slot] != nullptr && plan_->slots[slot]->parked) {
      activate(*plan_->slots[slot]);
    }
  }
  return count > 0;
}

void Pollset::sleep() {
  while (active_count_ == 0 && !worker_.stop.load(std::memory_order_relaxed)) {
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
