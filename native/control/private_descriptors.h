// DPDK opens devices so that programs which this process starts inherit them: a TAP would then live on, and a function of a
// card stay taken, for as long as such a program does. So what was opened meanwhile becomes ours alone.
#pragma once

#include <dirent.h>
#include <fcntl.h>

#include <cstdlib>
#include <memory>
#include <set>

namespace memswitch {

class PrivateDescriptors {
 public:
  PrivateDescriptors() : before_(open_now()) {}
  PrivateDescriptors(const PrivateDescriptors&) = delete;
  PrivateDescriptors& operator=(const PrivateDescriptors&) = delete;
  ~PrivateDescriptors() {
    for (const int fd : open_now()) {
      if (!before_.contains(fd)) {
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      }
    }
  }

 private:
  static std::set<int> open_now() {
    std::set<int> numbers;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
      if (entry->d_name[0] != '.') {
        numbers.insert(std::atoi(entry->d_name));
      }
    }
    return numbers;
  }

  const std::set<int> before_;
};

}  // namespace memswitch
