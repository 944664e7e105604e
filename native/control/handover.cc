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
using Item = HandedItem;
using Kind = HandedItem::Kind;

Status broken(const std::string& what) {
  return refuse(Code::kSystem, "handover: " + what);
}

UniqueFd waiting_socket() {
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

Status send(const UniqueFd& socket, const Item& item, int fd = -1) {
  return memif::send_record(socket.get(), &item, sizeof item, fd, 0) ? Status{}
                                                                     : system_error("handover");
}

Status receive(const UniqueFd& socket, Item& item, UniqueFd& fd) {
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
  const bool whole = size == static_cast<ssize_t>(sizeof item) &&
                     (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0;
  return whole && item.version == Item::kVersion
             ? Status{}
             : broken("it ended early, or the other process is of another version");
}

// From the heir.
Status hear(const UniqueFd& heir, Kind wanted) {
  Item item;
  UniqueFd none;
  Status status = receive(heir, item, none);
  return !status.ok() || item.kind == wanted ? status : broken("out of order");
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

bool is_socket(const UniqueFd& fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return fd && ::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
         type == SOCK_SEQPACKET;
}

}  // namespace

// Adds one thing to what has come so far.
Status take_handed(const HandedItem& item, UniqueFd fd, Handover& handover) {
  std::vector<HandedListener>& listeners = handover.listeners;
  switch (item.kind) {
    case HandedItem::Kind::kNote:
      return read_note(fd, item.size, handover.note);
    case HandedItem::Kind::kListener:
      if (!is_socket(fd) || item.address[0] == '\0') {
        return broken("a listener without a socket or a name");
      }
      listeners.push_back(listener_of(item, std::move(fd)));
      return {};
    case HandedItem::Kind::kConnection:
      if (listeners.empty() || !is_socket(fd)) {
        return broken("a connection without a listener or a socket");
      }
      listeners.back().connections.push_back({.socket = std::move(fd), .said = {}});
      return {};
    case HandedItem::Kind::kSaid:
      if (listeners.empty() || listeners.back().connections.empty()) {
        break;
      }
      listeners.back().connections.back().said.emplace_back().message = item.message;
      if (fd) {
        listeners.back().connections.back().said.back().fds.push_back(std::move(fd));
      }
      return {};
    case HandedItem::Kind::kEnd:
    case HandedItem::Kind::kHello:
    case HandedItem::Kind::kTaken:
      break;
  }
  return broken("out of order");
}

Status await_handover(const std::string& socket, UniqueFd& listener) {
  const memif::Address address(socket);
  listener = waiting_socket();
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
  Status status = send(socket, {.kind = Kind::kHello});
  while (status.ok()) {
    Item item;
    UniqueFd fd;
    status = receive(socket, item, fd);
    if (status.ok() && item.kind == Kind::kEnd) {
      break;
    }
    if (status.ok()) {
      status = take_handed(item, std::move(fd), handover);
    }
  }
  if (status.ok()) {
    status = send(socket, {.kind = Kind::kTaken});
  }
  char none = 0;
  return !status.ok() || ::recv(socket.get(), &none, sizeof none, 0) == 0
             ? status
             : broken("the other switch stays");
}

Status reach_heir(const std::string& socket, UniqueFd& heir) {
  const memif::Address address(socket);
  heir = waiting_socket();
  if (!heir || ::connect(heir.get(), address.get(), address.length) != 0) {
    return system_error("handover: " + socket);
  }
  limit_waiting(heir);
  Status status = check_user(heir);
  return status.ok() ? hear(heir, Kind::kHello) : status;
}

Status tell_note(const UniqueFd& heir, const std::string& note) {
  const UniqueFd file = in_memory(note);
  return file ? send(heir, {.kind = Kind::kNote, .size = note.size()}, file.get())
              : system_error("handover: memfd");
}

Status tell_listener(const UniqueFd& heir, const HandedListener& listener, int socket) {
  return send(heir, item_of(listener), socket);
}

Status tell_connection(const UniqueFd& heir, int socket) {
  return send(heir, {.kind = Kind::kConnection}, socket);
}

Status tell_said(const UniqueFd& heir, const memif::Message& message, int fd) {
  return send(heir, {.kind = Kind::kSaid, .message = message}, fd);
}

Status conclude(const UniqueFd& heir) {
  Status status = send(heir, {.kind = Kind::kEnd});
  return status.ok() ? hear(heir, Kind::kTaken) : status;
}

}  // namespace memswitch
