// A bound that many threads keep together: taken before use, so it is never passed.
#pragma once

#include <atomic>
#include <cstdint>

namespace memswitch {

class Quota {
 public:
  explicit Quota(uint32_t limit) : limit_(limit) {}

  bool take() {
    // Looked at first: refusing must not dirty the line, or a flood of new addresses would slow every worker.
    if (used() >= limit()) {
      return false;
    }
    if (used_.fetch_add(1, std::memory_order_relaxed) >= limit()) {
      give_back();
      return false;
    }
    return true;
  }
  void give_back() { used_.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] uint32_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // A limit below what is used ends nothing, it only lets nothing more in.
  void set_limit(uint32_t limit) { limit_.store(limit, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> used_{0};
  std::atomic<uint32_t> limit_;
};

}  // namespace memswitch
