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

Reason Region::map(const UniqueFd& file, uint64_t size, bool sealed, Region& region) {
  // Only memory, and asked in a way that asks no file system: one of FUSE could make us wait, here and at every
  // access, for as long as its owner likes. Seals are known to files of tmpfs and hugetlbfs alone.
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0) {
    return "region: the descriptor is not a file in memory (memfd, tmpfs or hugetlbfs)";
  }
  struct stat status {};
  struct statfs system {};
  if (::fstat(file.get(), &status) != 0 || ::fstatfs(file.get(), &system) != 0) {
    return std::string("region: stat: ") + std::strerror(errno);
  }
  if (size == 0 || size > kMaxRegionBytes || static_cast<uint64_t>(status.st_size) < size) {
    return "region: announced " + std::to_string(size) + " bytes, the file has " +
           std::to_string(status.st_size);
  }
  const bool huge = system.f_type == HUGETLBFS_MAGIC;
  if (sealed && !huge && (seals & F_SEAL_SHRINK) == 0) {
    return "region: the file lacks F_SEAL_SHRINK, so it could be cut short under us";
  }
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) {
    return std::string("region: mmap: ") + std::strerror(errno);
  }
  region = Region();
  region.base_ = static_cast<std::byte*>(base);
  region.size_ = size;
  region.guard_ = Guard(base, size);
  return region.guard_.holds() ? Reason() : Reason("region: too many regions in this process");
}

Reason Region::create(uint64_t size, UniqueFd& file, Region& region) {
  file.reset(::memfd_create("memif", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    return std::string("region: memfd: ") + std::strerror(errno);
  }
  return map(file, size, true, region);
}

}  // namespace memswitch::memif
