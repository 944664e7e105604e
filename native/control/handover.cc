#include "control/handover.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "memif/address.h"

namespace memswitch {

namespace {

constexpr int kPatience_ms = 10'000;
constexpr uint64_t kLongestNote = uint64_t{256} << 20;
// Changes with the records below and with what a Message means.
constexpr uint64_t kVersion = 0x6d73'7769'7463'0001;

enum class Kind : uint32_t { kNote, kListener, kConnection, kSaid, kEnd };

// One datagram, with at most one descriptor.
struct Item {
  uint64_t version = kVersion;
  Kind kind = Kind::kEnd;
  uint32_t mode = 0;
  uint32_t owner = 0;
  uint32_t group = 0;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;  // of the note
  char address[128] = {};
  char netns[256] = {};
  memif::Message message{};
};

Status broken(const std::string& what) {
  return refuse(Code::kSystem, "handover: " + what);
}

UniqueFd new_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

void limit_waiting(const UniqueFd& socket) {
  const timeval patience{.tv_sec = kPatience_ms / 1000, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

// Whoever is at the other end gets peers' memory, or is believed which process they are.
Status check_user(const UniqueFd& socket) {
  ucred other{};
  socklen_t size = sizeof other;
  const bool told = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &other, &size) == 0;
  return told && other.uid == ::geteuid()
             ? Status{}
             : refuse(Code::kPermission, "handover: the other process is another user's");
}

bool send(const UniqueFd& socket, const Item& item, int fd) {
  iovec data{const_cast<Item*>(&item), sizeof item};
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
  return ::sendmsg(socket.get(), &header, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof item);
}

bool receive(const UniqueFd& socket, Item& item, UniqueFd& fd) {
  iovec data{&item, sizeof item};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC);
  if (const cmsghdr* c = CMSG_FIRSTHDR(&header); size > 0 && c != nullptr) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(c), sizeof number);
    fd.reset(number);
  }
  return size == static_cast<ssize_t>(sizeof item) && (header.msg_flags & MSG_CTRUNC) == 0 &&
         item.version == kVersion;
}

UniqueFd in_memory(const std::string& text) {
  UniqueFd file(::memfd_create("memswitch-note", MFD_CLOEXEC));
  for (size_t done = 0; done < text.size();) {
    const ssize_t more = ::write(file.get(), text.data() + done, text.size() - done);
    if (more <= 0) {
      return {};
    }
    done += static_cast<size_t>(more);
  }
  return file;
}

Status read_note(const UniqueFd& file, uint64_t size, std::string& note) {
  if (size > kLongestNote) {
    return broken("the note is too long");
  }
  note.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t more =
        ::pread(file.get(), note.data() + done, size - done, static_cast<off_t>(done));
    if (more <= 0) {
      return broken("the note is cut short");
    }
    done += static_cast<size_t>(more);
  }
  return {};
}

Item item_of(const HandedListener& listener) {
  Item item{.kind = Kind::kListener,
            .mode = listener.file.mode,
            .owner = listener.file.owner,
            .group = listener.file.group,
            .device = listener.device,
            .inode = listener.inode};
  memif::put_text(item.address, sizeof item.address, listener.address);
  memif::put_text(item.netns, sizeof item.netns, listener.netns);
  return item;
}

HandedListener listener_of(const Item& item, UniqueFd fd) {
  return {.address = std::string(item.address, ::strnlen(item.address, sizeof item.address)),
          .netns = std::string(item.netns, ::strnlen(item.netns, sizeof item.netns)),
          .file = {.mode = item.mode, .owner = item.owner, .group = item.group},
          .socket = std::move(fd),
          .device = item.device,
          .inode = item.inode};
}

// Adds one thing to what has come so far.
Status take(const Item& item, UniqueFd fd, Handover& handover) {
  std::vector<HandedListener>& listeners = handover.listeners;
  switch (item.kind) {
    case Kind::kNote:
      return read_note(fd, item.size, handover.note);
    case Kind::kListener:
      listeners.push_back(listener_of(item, std::move(fd)));
      return {};
    case Kind::kConnection:
      if (listeners.empty()) {
        break;
      }
      listeners.back().connections.push_back({.socket = std::move(fd), .said = {}});
      return {};
    case Kind::kSaid:
      if (listeners.empty() || listeners.back().connections.empty()) {
        break;
      }
      listeners.back().connections.back().said.emplace_back().message = item.message;
      if (fd) {
        listeners.back().connections.back().said.back().fds.push_back(std::move(fd));
      }
      return {};
    case Kind::kEnd:
      return {};
  }
  return broken("out of order");
}

}  // namespace

Status await_handover(const std::string& socket, UniqueFd& listener) {
  const memif::Address address(socket);
  listener = new_socket();
  if (!listener || ::bind(listener.get(), address.get(), address.length) != 0 ||
      ::chmod(socket.c_str(), 0600) != 0 || ::listen(listener.get(), 1) != 0) {
    return system_error("handover: " + socket);
  }
  return {};
}

Status receive_handover(const UniqueFd& listener, Handover& handover) {
  pollfd entry{listener.get(), POLLIN, 0};
  if (::poll(&entry, 1, kPatience_ms) != 1) {
    return broken("nobody came");
  }
  const UniqueFd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (Status status = check_user(socket); !status.ok()) {
    return status;
  }
  limit_waiting(socket);
  for (;;) {
    Item item;
    UniqueFd fd;
    if (!receive(socket, item, fd)) {
      return broken("it ended early, or the other process is of another version");
    }
    if (item.kind == Kind::kEnd) {
      char none = 0;
      return ::recv(socket.get(), &none, sizeof none, 0) == 0 ? Status{}
                                                              : broken("the other switch stays");
    }
    if (Status status = take(item, std::move(fd), handover); !status.ok()) {
      return status;
    }
  }
}

Status reach_heir(const std::string& socket, UniqueFd& heir) {
  const memif::Address address(socket);
  heir = new_socket();
  if (!heir || ::connect(heir.get(), address.get(), address.length) != 0) {
    return system_error("handover: " + socket);
  }
  limit_waiting(heir);
  return check_user(heir);
}

Status send_handover(const UniqueFd& heir, const Handover& handover) {
  const UniqueFd note = in_memory(handover.note);
  bool sent = note && send(heir, {.kind = Kind::kNote, .size = handover.note.size()}, note.get());
  for (const HandedListener& listener : handover.listeners) {
    sent = sent && send(heir, item_of(listener), listener.socket.get());
    for (const HandedConnection& connection : listener.connections) {
      sent = sent && send(heir, {.kind = Kind::kConnection}, connection.socket.get());
      for (const memif::Record& record : connection.said) {
        const int fd = record.fds.empty() ? -1 : record.fds[0].get();
        sent = sent && send(heir, {.kind = Kind::kSaid, .message = record.message}, fd);
      }
    }
  }
  return sent && send(heir, {.kind = Kind::kEnd}, -1) ? Status{} : system_error("handover");
}

}  // namespace memswitch
