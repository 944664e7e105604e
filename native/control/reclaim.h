// What may only be done once no worker can still hold the old: freeing it, and reusing its number. Control holds its
// lock around every call.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "tables/epoch.h"

namespace memswitch {

class Reclaim {
 public:
  explicit Reclaim(Epoch& epoch) : epoch_(epoch) {}

  // Runs `action` after every worker has passed a quiescent state that began after this call.
  void later(std::function<void()> action) {
    waiting_.push_back({epoch_.retire(), std::move(action)});
  }

  // Frees `old` then.
  template <typename T>
  void retire(std::unique_ptr<T> old) {
    if (old) {
      later([keep = std::shared_ptr<T>(std::move(old))] {});
    }
  }

  // Does what has become possible.
  void run() {
    while (!waiting_.empty() && epoch_.passed(waiting_.front().epoch)) {
      const std::function<void()> action = std::move(waiting_.front().action);
      waiting_.pop_front();
      action();
    }
  }

  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    uint64_t epoch;
    std::function<void()> action;
  };

  Epoch& epoch_;
  std::deque<Waiting> waiting_;
};

}  // namespace memswitch
