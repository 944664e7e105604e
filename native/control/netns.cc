#include "control/netns.h"

#include <fcntl.h>
#include <sched.h>

#include <thread>

namespace memswitch {

namespace {

std::string path_of(const std::string& netns) {
  if (netns[0] == '/') {
    return netns;
  }
  const bool is_pid = netns.find_first_not_of("0123456789") == std::string::npos;
  return is_pid ? "/proc/" + netns + "/ns/net" : "/run/netns/" + netns;
}

}  // namespace

UniqueFd open_namespace(const std::string& netns) {
  return UniqueFd(::open(path_of(netns).c_str(), O_RDONLY | O_CLOEXEC));
}

Status in_namespace(const std::string& netns, const std::function<Status()>& action) {
  if (netns.empty()) {
    return action();
  }
  Status status;
  // On a thread of its own: setns() moves the calling thread, and none of ours may stay there.
  std::thread([&] {
    const UniqueFd there = open_namespace(netns);
    status = there && ::setns(there.get(), CLONE_NEWNET) == 0
                 ? action()
                 : system_error("enter network namespace " + netns);
  }).join();
  return status;
}

}  // namespace memswitch
