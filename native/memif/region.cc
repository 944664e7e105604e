#include "memif/region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace memswitch::memif {

Region::Region(Region&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      guard_(std::move(other.guard_)) {}

Region& Region::operator=(Region&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(guard_, other.guard_);
  return *this;
}

Region::~Region() {
  if (base_ != nullptr) {
    guard_ =
        Guard();  // first: the place must not be watched any more when somebody else maps there
    ::munmap(base_, size_);
  }
}

namespace {

Reason system_reason(const char* call) {
  return {Fault::kRegion, std::string("region: ") + call + ": " + std::strerror(errno)};
}

Reason may_shrink(const UniqueFd& file, int seals, Region::Policy policy) {
  struct statfs system {};
  if (::fstatfs(file.get(), &system) != 0) {
    return system_reason("statfs");
  }
  if (system.f_type == HUGETLBFS_MAGIC) {
    return policy.huge_pages ? Reason()
                             : Reason(Fault::kRegion, "region: huge pages are not allowed here");
  }
  if (!policy.unsealed && (seals & F_SEAL_SHRINK) == 0) {
    return {Fault::kRegion,
            "region: the file lacks F_SEAL_SHRINK, so it could be cut short under us"};
  }
  return {};
}

}  // namespace

Reason Region::map(const UniqueFd& file, uint64_t size, Policy policy, Region& region) {
  // Only memory, and asked in a way that asks no file system: one of FUSE could make us wait, here and at every
  // access, for as long as its owner likes. Seals are known to files of tmpfs and hugetlbfs alone.
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0) {
    return {Fault::kRegion,
            "region: the descriptor is not a file in memory (memfd, tmpfs or hugetlbfs)"};
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    return system_reason("stat");
  }
  if (size == 0 || size > kMaxRegionBytes || static_cast<uint64_t>(status.st_size) < size) {
    return {Fault::kRegion, "region: announced " + std::to_string(size) + " bytes, the file has " +
                                std::to_string(status.st_size)};
  }
  if (Reason reason = may_shrink(file, seals, policy); !reason.empty()) {
    return reason;
  }
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) {
    return system_reason("mmap");
  }
  region = Region();
  region.base_ = static_cast<std::byte*>(base);
  region.size_ = size;
  region.guard_ = Guard(base, size);
  return region.guard_.holds() ? Reason()
                               : Reason(Fault::kRegion, "region: too many regions in this process");
}

Reason Region::create(uint64_t size, UniqueFd& file, Region& region) {
  file.reset(::memfd_create("memif", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    return system_reason("memfd");
  }
  return map(file, size, {}, region);
}

}  // namespace memswitch::memif
