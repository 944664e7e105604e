// A region of a peer's memory, mapped here. Nothing of it is believed: its size is checked against the file's, and an
// ordinary file that its owner could still cut short is refused. Huge pages know no such seal in most kernels' clients,
// so a region may vanish all the same; guard.h survives that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memif/fault.h"
#include "memif/fd.h"
#include "memif/guard.h"

namespace memswitch::memif {

// All regions of one connection together. A zero-copy client shares its whole packet pool; DPDK's are 1 to 2 GiB.
inline constexpr uint64_t kMaxRegionBytes = uint64_t{16} << 30;

class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  // Files that could be cut short under us, and are taken all the same.
  struct Policy {
    bool unsealed = false;   // of tmpfs, without F_SEAL_SHRINK
    bool huge_pages = true;  // of hugetlbfs, which few kernels seal
  };

  // Checks the file against the announced size and maps it.
  [[nodiscard]] static Reason map(const UniqueFd& file, uint64_t size, Policy policy,
                                  Region& region);

  // Makes a sealed region of our own (the client's side) and keeps its descriptor for the peer in `file`.
  [[nodiscard]] static Reason create(uint64_t size, UniqueFd& file, Region& region);

  [[nodiscard]] std::byte* base() const { return base_; }
  [[nodiscard]] uint64_t size() const { return size_; }
  // Whether the memory has vanished; zeros stand in its place.
  [[nodiscard]] bool lost() const { return guard_.lost(); }

 private:
  std::byte* base_ = nullptr;
  uint64_t size_ = 0;
  Guard guard_;
};

}  // namespace memswitch::memif
