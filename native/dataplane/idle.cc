#include "dataplane/idle.h"

#include <sys/epoll.h>
#include <unistd.h>
#include <x86intrin.h>

#include <array>
#include <chrono>

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

Idle::Idle(Worker& worker) : worker_(worker), last_(__rdtsc()), idle_since_(last_) {
  switch (worker.polling) {
    case Polling::kBusy:
      spin_cycles_ = UINT64_MAX;
      break;
    case Polling::kAdaptive:
      spin_cycles_ = cycles_per_second() / 1'000'000 * kSpin_us;
      break;
    case Polling::kInterrupt:
      spin_cycles_ = 0;
      break;
  }
}

void Idle::after(uint32_t frames) {
  const uint64_t now = __rdtsc();
  WorkerCounters& counters = worker_.counters;
  counters.loops.add(1);
  if (frames > 0) {
    counters.busy_cycles.add(now - last_);
    last_ = idle_since_ = now;
    return;
  }
  counters.idle_cycles.add(now - last_);
  last_ = now;
  _mm_pause();
  if (now - idle_since_ >= spin_cycles_) {
    sleep();
  }
}

void Idle::sleep() {
  for (const int timeout_ms : {kNap_ms, kForever}) {
    if (arm() || wait(timeout_ms)) {
      break;
    }
  }
  disarm();
  const uint64_t now = __rdtsc();
  worker_.counters.idle_cycles.add(now - last_);
  last_ = idle_since_ = now;
}

bool Idle::arm() {
  bool waiting = false;
  for (RxQueue* queue : *worker_.plan.load(std::memory_order_acquire)) {
    waiting |= queue->arm();
  }
  return waiting;
}

// Offline: control may replace the plan meanwhile and free the old one and its queues without waiting for us, so
// nothing of before may be used after.
bool Idle::wait(int timeout_ms) {
  std::array<epoll_event, 16> events;
  worker_.counters.sleeps.add(1);
  worker_.shared.epoch.offline(worker_.index);
  const int woken = ::epoll_wait(worker_.sleep_fd.get(), events.data(),
                                 static_cast<int>(events.size()), timeout_ms);
  worker_.shared.epoch.online(worker_.index);
  return woken != 0;
}

void Idle::disarm() {
  for (RxQueue* queue : *worker_.plan.load(std::memory_order_acquire)) {
    queue->disarm();
  }
}

}  // namespace memswitch
