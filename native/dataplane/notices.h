// What a worker tells the control thread now and then: a bounded queue with one writer and one reader. When it is
// full a notice is counted and lost; counters never are.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/frame.h"
#include "tables/limits.h"

namespace memswitch {

struct Notice {
  enum class Kind : uint8_t { kMove, kPortFull, kTableFull };
  Kind kind;
  PortId port;
  PortId from;
  uint16_t bridge;
  Mac mac;
};

class Notices {
 public:
  void put(const Notice& notice) {
    const uint32_t at = written_.load(std::memory_order_relaxed);
    if (at - read_.load(std::memory_order_acquire) == kSize) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return;
    }
    queue_[at % kSize] = notice;
    written_.store(at + 1, std::memory_order_release);
  }

  bool take(Notice& notice) {
    const uint32_t at = read_.load(std::memory_order_relaxed);
    if (at == written_.load(std::memory_order_acquire)) {
      return false;
    }
    notice = queue_[at % kSize];
    read_.store(at + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kSize = 1024;
  std::array<Notice, kSize> queue_;
  alignas(64) std::atomic<uint32_t> written_{0};
  std::atomic<uint64_t> lost_{0};
  alignas(64) std::atomic<uint32_t> read_{0};
};

}  // namespace memswitch
