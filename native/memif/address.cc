#include "memif/address.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <thread>

namespace memswitch::memif {

namespace {

std::string netns_path(const std::string& netns) {
  if (netns[0] == '/') {
    return netns;
  }
  const bool is_pid = netns.find_first_not_of("0123456789") == std::string::npos;
  return is_pid ? "/proc/" + netns + "/ns/net" : "/run/netns/" + netns;
}

}  // namespace

UniqueFd new_socket_in(const std::string& netns) {
  if (netns.empty()) {
    return new_socket();
  }
  UniqueFd made;
  int error = 0;
  // On a thread of its own: setns() moves the calling thread, and none of ours may stay there.
  std::thread([&] {
    const UniqueFd there(::open(netns_path(netns).c_str(), O_RDONLY | O_CLOEXEC));
    if (there && ::setns(there.get(), CLONE_NEWNET) == 0) {
      made = new_socket();
    }
    error = errno;
  }).join();
  errno = error;
  return made;
}

}  // namespace memswitch::memif
