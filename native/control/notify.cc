#include "control/notify.h"

#include <sys/socket.h>

#include "memif/address.h"
#include "memif/fd.h"

namespace memswitch {

Status notify_supervisor(const std::string& socket, const std::string& text) {
  const memif::Address address(socket);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const ssize_t sent =
      ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, address.get(), address.length);
  return sent == static_cast<ssize_t>(text.size()) ? Status{} : system_error(socket);
}

}  // namespace memswitch
