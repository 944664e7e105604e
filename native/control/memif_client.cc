#include "control/memif_client.h"

#include <sys/inotify.h>

#include <algorithm>

#include "control/netns.h"
#include "memif/address.h"

namespace memswitch {

using memif::Channel;
using memif::ClientHandshake;

MemifClient::MemifClient(Reactor& reactor, MemifOwner& owner)
    : reactor_(reactor), owner_(owner), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (inotify_) {
    reactor_.watch(inotify_.get(), [this] { folder_changed(); });
  }
}

MemifClient::Caller* MemifClient::find(PortId port) {
  const auto found = std::ranges::find(callers_, port, &Caller::port);
  return found == callers_.end() ? nullptr : &*found;
}

void MemifClient::add(const std::string& socket, const NetworkNamespace& netns, PortId port,
                      memif::ClientOptions options) {
  Caller& caller = callers_.emplace_back(
      Caller{.port = port, .socket = socket, .netns = netns, .options = std::move(options)});
  watch_folder(socket);
  dial(caller);
}

void MemifClient::remove(PortId port, const std::string& reason) {
  disconnect(port, reason);
  callers_.remove_if([port](const Caller& caller) { return caller.port == port; });
}

void MemifClient::disconnect(PortId port, const std::string& reason) {
  if (Caller* caller = find(port); caller != nullptr && caller->channel) {
    end(*caller, reason, true);
  }
}

void MemifClient::dial(Caller& caller) {
  UniqueFd socket;
  static_cast<void>(in_namespace(caller.netns, [&socket] {
    socket = memif::new_socket();
    return Status{};
  }));
  const memif::Address address(caller.socket);
  if (!socket || disposal_.clogged() ||
      ::connect(socket.get(), address.get(), address.length) != 0) {
    caller.next = Clock::now() + caller.pause;
    caller.pause = std::min<Clock::duration>(caller.pause * 2, kLongestPause);
    return;
  }
  const int fd = socket.get();
  caller.channel.emplace(std::move(socket));
  caller.handshake.emplace(caller.options);
  caller.since = Clock::now();
  reactor_.watch(fd, [this, port = caller.port] { readable(port); });
}

void MemifClient::readable(PortId port) {
  for (int i = 0; i < 16; ++i) {
    Caller* caller = find(port);
    if (caller == nullptr || !caller->channel) {
      return;
    }
    memif::Record record;
    switch (caller->channel->receive(record)) {
      case Channel::Receive::kAgain:
        return;
      case Channel::Receive::kClosed:
        end(*caller, "the peer closed the connection", false);
        return;
      case Channel::Receive::kMalformed:
        owner_.refused(port, memif::Reason(memif::Fault::kRecord));
        end(*caller, memif::words(memif::Fault::kRecord), true);
        disposal_.take(std::move(record.fds));
        return;
      case Channel::Receive::kRecord: {
        const bool goes_on = take(*caller, record);
        disposal_.take(std::move(record.fds));
        if (!goes_on) {
          return;
        }
      }
    }
  }
}

// False when the connection has ended.
bool MemifClient::take(Caller& caller, const memif::Record& record) {
  memif::Message answer{};
  int fd = -1;
  switch (caller.handshake->take(record, answer, fd)) {
    case ClientHandshake::Step::kSend:
      if (caller.channel->send(answer, fd)) {
        return true;
      }
      end(caller, "the peer does not read", false);
      return false;
    case ClientHandshake::Step::kConnected: {
      memif::Reason reason = owner_.attached(caller.port, std::move(caller.handshake->link()),
                                             caller.channel->credentials());
      if (!reason.empty()) {
        end(caller, reason.text, true);
        return false;
      }
      caller.attached = true;
      caller.pause = kFirstPause;
      return true;
    }
    case ClientHandshake::Step::kEnd:
      break;
  }
  const memif::Reason reason = caller.handshake->reason();
  if (reason.fault != memif::Fault::kNone) {
    owner_.refused(caller.port, reason);
  }
  end(caller, reason.text, record.message.type != memif::MessageType::kDisconnect);
  return false;
}

void MemifClient::end(Caller& caller, const std::string& reason, bool tell_peer) {
  if (tell_peer) {
    caller.channel->send_disconnect(reason);
  }
  reactor_.unwatch(caller.channel->fd());
  const bool attached = std::exchange(caller.attached, false);
  disposal_.take(std::move(*caller.channel));
  caller.channel.reset();
  caller.handshake.reset();
  caller.next = Clock::now() + caller.pause;
  caller.pause = std::min<Clock::duration>(caller.pause * 2, kLongestPause);
  if (attached) {
    owner_.detached(caller.port, reason);
  }
}

void MemifClient::tick() {
  const auto now = Clock::now();
  for (Caller& caller : callers_) {
    if (caller.channel && !caller.attached && caller.since + kHandshakeTime < now) {
      owner_.refused(caller.port, memif::Reason(memif::Fault::kTimeout));
      end(caller, memif::words(memif::Fault::kTimeout), true);
    } else if (!caller.channel && caller.next <= now) {
      dial(caller);
    }
  }
}

void MemifClient::watch_folder(const std::string& socket) {
  if (socket[0] != '@' && inotify_) {
    const std::string folder = socket.substr(0, std::max<size_t>(socket.rfind('/'), 1));
    ::inotify_add_watch(inotify_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_ATTRIB);
  }
}

// Something has appeared in one of the folders: everybody who waits for a file tries now. A server binds its socket
// a moment before it listens; who is too early tries again after the first pause.
void MemifClient::folder_changed() {
  alignas(inotify_event) char events[4096];
  while (::read(inotify_.get(), events, sizeof events) > 0) {
  }
  for (Caller& caller : callers_) {
    if (!caller.channel && caller.socket[0] != '@') {
      caller.pause = kFirstPause;
      dial(caller);
    }
  }
}

}  // namespace memswitch
