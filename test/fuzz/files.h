// Descriptors of every kind a peer may send in place of the one that belongs to a message.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "memif/fd.h"
#include "memif/wire.h"

namespace fuzz {

enum class FileKind : uint8_t {
  kSealed,
  kEvent,
  kUnsealed,
  kShort,
  kPipe,
  kDevice,
  kFolder,
  kReadOnly
};
inline constexpr uint8_t kFileKinds = 8;

// With a cookie wherever a ring may begin.
inline memswitch::UniqueFd memory_file(off_t size, int seals) {
  memswitch::UniqueFd file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const std::vector<uint32_t> content(static_cast<size_t>(size) / sizeof(uint32_t),
                                      memswitch::memif::kCookie);
  const auto bytes = static_cast<ssize_t>(content.size() * sizeof content[0]);
  if (::ftruncate(file.get(), size) != 0 ||
      ::pwrite(file.get(), content.data(), content.size() * sizeof content[0], 0) != bytes ||
      ::fcntl(file.get(), F_ADD_SEALS, seals) != 0) {
    return {};
  }
  return file;
}

inline memswitch::UniqueFd pipe_end() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return {};
  }
  ::close(ends[1]);
  return memswitch::UniqueFd(ends[0]);
}

// `size` is that of memory files.
inline memswitch::UniqueFd make_file(FileKind kind, off_t size) {
  using memswitch::UniqueFd;
  switch (kind) {
    case FileKind::kSealed:
      return memory_file(size, F_SEAL_SHRINK);
    case FileKind::kEvent:
      return UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    case FileKind::kUnsealed:
      return memory_file(size, 0);
    case FileKind::kShort:
      return memory_file(size / 2, F_SEAL_SHRINK);
    case FileKind::kPipe:
      return pipe_end();
    case FileKind::kDevice:
      return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    case FileKind::kFolder:
      return UniqueFd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    case FileKind::kReadOnly:
      return memory_file(size, F_SEAL_SHRINK | F_SEAL_WRITE);
  }
  return {};
}

// The lowest free number: higher afterwards than before when descriptors have leaked.
inline int lowest_free_fd() {
  const int fd = ::dup(STDERR_FILENO);
  ::close(fd);
  return fd;
}

}  // namespace fuzz
