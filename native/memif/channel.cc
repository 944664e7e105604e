#include "memif/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace memswitch::memif {

namespace {

// Room for a peer that sends more descriptors than the one a message may have: the kernel would drop the rest
// unseen, and we want to see, close and refuse them. SCM_MAX_FD in Linux is 253.
constexpr size_t kMaxFds = 253;

void take_fds(msghdr& header, std::vector<UniqueFd>& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
}

}  // namespace

Channel::Receive Channel::receive(Record& record) {
  record.fds.clear();
  iovec data{&record.message, sizeof record.message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(sizeof(ucred))];
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;

  const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) {
    return errno == EAGAIN || errno == EINTR ? Receive::kAgain : Receive::kClosed;
  }
  take_fds(header, record.fds);
  if (size == 0) {
    return Receive::kClosed;
  }
  const bool cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return cut || size != static_cast<ssize_t>(kRecordSize) ? Receive::kMalformed : Receive::kRecord;
}

bool send_record(int socket, const void* record, size_t size, int fd, int flags) {
  iovec data{const_cast<void*>(record), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &header, flags | MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

bool Channel::send(const Message& message, int fd) {
  return send_record(socket_.get(), &message, sizeof message, fd, MSG_DONTWAIT);
}

void Channel::send_disconnect(std::string_view reason) {
  Message message{};
  message.type = MessageType::kDisconnect;
  put_text(message.disconnect.reason, sizeof message.disconnect.reason, reason);
  send(message);
}

PeerCredentials Channel::credentials() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return {};
  }
  return {peer.pid, peer.uid, peer.gid};
}

bool Channel::hung_up() const {
  pollfd entry{socket_.get(), 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

void put_text(char* field, size_t size, std::string_view text) {
  const size_t length = std::min(size - 1, text.size());
  std::memset(field, 0, size);
  std::memcpy(field, text.data(), length);
}

std::string take_text(const char* field, size_t size) {
  std::string text(field, strnlen(field, size));
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e) {
      c = '?';
    }
  }
  return text;
}

}  // namespace memswitch::memif
