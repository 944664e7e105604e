// Where a memif socket is: a path, or '@name' for an abstract one.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string>

#include "memif/fd.h"

namespace memswitch::memif {

struct Address {
  sockaddr_un name{};
  socklen_t length = 0;

  // Abstract names have no terminating NUL: the length says where they end, and all peers must agree on it.
  explicit Address(const std::string& socket) {
    const bool abstract = socket[0] == '@';
    name.sun_family = AF_UNIX;
    socket.copy(name.sun_path, sizeof name.sun_path - 1);
    if (abstract) {
      name.sun_path[0] = '\0';
    }
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size() +
                                    (abstract ? 0 : 1));
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// Abstract names belong to the network namespace that the socket was made in, whoever binds or connects it later.
inline UniqueFd new_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace memswitch::memif
