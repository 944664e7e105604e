#include "control/pin.h"

#include <unistd.h>

namespace memswitch {

bool Pin::put(int cpu) const {
  cpu_set_t set = before_;
  if (cpu >= 0) {
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(cpu), &set);
  }
  return ::sched_setaffinity(thread_, sizeof set, &set) == 0;
}

bool Pin::enter() {
  const std::lock_guard guard(lock_);
  thread_ = ::gettid();
  if (::sched_getaffinity(0, sizeof before_, &before_) == 0 && (cpu_ < 0 || put(cpu_))) {
    return true;
  }
  thread_ = 0;
  return false;
}

bool Pin::move(int cpu) {
  const std::lock_guard guard(lock_);
  if (thread_ != 0 && !put(cpu)) {
    return false;
  }
  cpu_ = cpu;
  return true;
}

int Pin::cpu() {
  const std::lock_guard guard(lock_);
  return cpu_;
}

void Pin::leave() {
  const std::lock_guard guard(lock_);
  static_cast<void>(put(-1));
  thread_ = 0;
}

}  // namespace memswitch
