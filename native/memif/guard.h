// A peer's memory can vanish under us: a file that is cut short, a huge page that can't be had. Touching it raises
// SIGBUS, which would end the process and with it all other ports. Every mapped region is watched instead: the
// handler puts zero pages over a region that faults, so that the access goes on, and marks it lost, so that its link
// ends. Faults elsewhere go to whoever handled them before.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memswitch::memif {

class Guard {
 public:
  Guard() = default;
  // Watches [base, base + size). When all places are taken, holds() is false.
  Guard(void* base, size_t size);
  Guard(Guard&& other) noexcept;
  Guard& operator=(Guard&& other) noexcept;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  // The caller unmaps the region afterwards, and no thread touches it any more.
  ~Guard();

  [[nodiscard]] bool holds() const { return place_ >= 0; }
  // Whether the region has faulted.
  [[nodiscard]] bool lost() const;

  // How many regions of this process have ever faulted: cheap to look at, to know when to ask lost().
  static uint64_t losses();

 private:
  int place_ = -1;
};

}  // namespace memswitch::memif
