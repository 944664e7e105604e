// Who may attach at a socket: by the file's owner and mode, and by the peer's credentials as the kernel tells them.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <string>
#include <vector>

#include "memif/channel.h"

namespace memswitch {

// Users and groups that may attach; both empty: whoever can open the socket.
struct Allowed {
  std::vector<uid_t> users;
  std::vector<gid_t> groups;

  [[nodiscard]] bool takes(const memif::PeerCredentials& peer) const {
    return (users.empty() && groups.empty()) || std::ranges::count(users, peer.uid) > 0 ||
           std::ranges::count(groups, peer.gid) > 0;
  }
};

// How a socket file is made. Ports that share a socket must agree.
struct SocketFile {
  mode_t mode = 0660;
  uid_t owner = static_cast<uid_t>(-1);  // -1: ours
  gid_t group = static_cast<gid_t>(-1);

  bool operator==(const SocketFile&) const = default;
};

// Where an abstract socket is: '' for our own network namespace, else a name as of `ip netns`, a path, or a process id.
using NetworkNamespace = std::string;

}  // namespace memswitch
