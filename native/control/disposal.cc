#include "control/disposal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <thread>

#include "memif/attachment.h"

namespace memswitch {

namespace {

// Files in memory and eventfds belong to the kernel alone.
bool is_prompt(const UniqueFd& fd) {
  return ::fcntl(fd.get(), F_GET_SEALS) >= 0 || memif::is_eventfd(fd);
}

}  // namespace

void Disposal::take(std::vector<UniqueFd> fds) {
  std::erase_if(fds, is_prompt);
  if (!fds.empty()) {
    close_elsewhere(std::move(fds));
  }
}

void Disposal::take(memif::Channel channel) {
  UniqueFd socket = channel.take_socket();
  // Nothing can be added any more; what is there already dies with the socket, descriptors and all.
  ::shutdown(socket.get(), SHUT_RDWR);
  int unread = 0;
  if (::ioctl(socket.get(), FIONREAD, &unread) != 0 || unread > 0) {
    std::vector<UniqueFd> list;
    list.push_back(std::move(socket));
    close_elsewhere(std::move(list));
  }
}

void Disposal::take_listener(UniqueFd socket) {
  ::shutdown(socket.get(), SHUT_RDWR);
  for (;;) {
    UniqueFd waiting(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!waiting) {
      return;
    }
    take(memif::Channel(std::move(waiting)));
  }
}

void Disposal::close_elsewhere(std::vector<UniqueFd> fds) {
  ++*pending_;
  std::thread([pending = pending_, closing = std::move(fds)]() mutable {
    closing.clear();
    --*pending;
  }).detach();
}

}  // namespace memswitch
