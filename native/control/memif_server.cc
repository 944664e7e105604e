#include "control/memif_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "control/netns.h"
#include "memif/address.h"

namespace memswitch {

using memif::Address;
using memif::Channel;
using memif::Fault;
using memif::new_socket;
using memif::ServerHandshake;

namespace {

// Also with a full backlog, or as another type of socket: only a refusal means nobody.
bool somebody_listens(const Address& address) {
  const UniqueFd probe = new_socket();
  return ::connect(probe.get(), address.get(), address.length) == 0 ||
         (errno != ECONNREFUSED && errno != ENOENT);
}

// A socket file whose owner has died is in the way: removed, but nothing that is not a socket, and not if somebody
// answers.
Status clear_stale(const std::string& path, const Address& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return {};
  }
  if (!S_ISSOCK(status.st_mode)) {
    return refuse(Code::kExists, path + " exists and is not a socket; choose another path");
  }
  if (somebody_listens(address)) {
    return refuse(Code::kInUse,
                  "another process serves " + path + "; stop it or choose another path");
  }
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Status{} : system_error("remove " + path);
}

}  // namespace

MemifServer::~MemifServer() {
  for (auto& [address, listener] : listeners_) {
    unlink_socket(listener->address, listener->device, listener->inode);
  }
}

Status MemifServer::listen(Listener& listener) {
  const Address address(listener.address);
  const bool file = listener.address[0] != '@';
  if (file) {
    if (Status status = clear_stale(listener.address, address); !status.ok()) {
      return status;
    }
  }
  if (Status status = in_namespace(listener.netns,
                                   [&listener] {
                                     listener.socket = new_socket();
                                     return listener.socket ? Status{} : system_error("socket");
                                   });
      !status.ok()) {
    return status;
  }
  if (::bind(listener.socket.get(), address.get(), address.length) != 0) {
    if (errno == EADDRINUSE) {
      return refuse(Code::kInUse, "another process serves " + listener.address +
                                      "; stop it or choose another name");
    }
    return system_error("listen on " + listener.address);
  }
  if (file) {
    if (Status status = own_socket(listener); !status.ok()) {
      return status;
    }
  }
  return ::listen(listener.socket.get(), 128) == 0 ? Status{}
                                                   : system_error("listen on " + listener.address);
}

// Before listen(), so that nobody attaches whom the owner and mode are to keep out.
Status MemifServer::own_socket(Listener& listener) {
  const char* path = listener.address.c_str();
  struct stat status {};
  if (::lstat(path, &status) != 0) {
    return system_error(listener.address);
  }
  listener.device = status.st_dev;
  listener.inode = status.st_ino;
  if (::lchown(path, listener.file.owner, listener.file.group) != 0 ||
      ::chmod(path, listener.file.mode) != 0) {
    Status failed = system_error("owner and mode of " + listener.address);
    unlink_socket(listener.address, listener.device, listener.inode);
    return failed;
  }
  return {};
}

void MemifServer::unlink_socket(const std::string& path, dev_t device, ino_t inode) {
  struct stat status {};
  if (inode != 0 && ::lstat(path.c_str(), &status) == 0 && status.st_dev == device &&
      status.st_ino == inode) {
    ::unlink(path.c_str());
  }
}

Status MemifServer::add(const Place& place, PortId port, memif::Interface interface,
                        Allowed allowed) {
  const auto key = std::pair(place.netns, place.socket);
  auto known = listeners_.find(key);
  if (known == listeners_.end()) {
    auto listener = std::make_unique<Listener>();
    listener->address = place.socket;
    listener->netns = place.netns;
    listener->file = place.file;
    const bool taken_up = take_up(*listener);
    if (!taken_up) {
      if (Status status = listen(*listener); !status.ok()) {
        return status;
      }
    }
    known = listeners_.emplace(key, std::move(listener)).first;
    if (!taken_up) {
      hear_newcomers(*known->second);
    }
  }
  if (known->second->file != place.file) {
    return refuse(Code::kInvalid, "another port made " + place.socket +
                                      " with another owner, group or mode; they must agree");
  }
  const auto [at, added] = known->second->served.emplace(
      place.id,
      Served{.port = port, .interface = std::move(interface), .allowed = std::move(allowed)});
  if (!added) {
    return refuse(Code::kInUse, "id " + std::to_string(place.id) + " on " + place.socket +
                                    " belongs to another port; choose another id");
  }
  return {};
}

void MemifServer::hear_newcomers(Listener& listener) {
  reactor_.watch(listener.socket.get(), [this, &listener] { accept(listener); });
}

MemifServer::Served* MemifServer::served(Listener& listener, PortId port) {
  const auto found = std::ranges::find_if(
      listener.served, [port](const auto& entry) { return entry.second.port == port; });
  return found == listener.served.end() ? nullptr : &found->second;
}

void MemifServer::pause(Served& served) {
  const auto now = Clock::now();
  const bool again = now - served.expelled < kForgiven;
  served.pause = again ? std::min<Clock::duration>(served.pause * 2, kLongestPause) : kFirstPause;
  served.expelled = now;
}

void MemifServer::expel(PortId port, const std::string& reason) {
  for (auto& [address, listener] : listeners_) {
    if (Served* one = served(*listener, port)) {
      pause(*one);
    }
  }
  disconnect(port, reason);
}

void MemifServer::offend(Listener& listener, Connection& connection, const memif::Reason& reason) {
  if (connection.claimed != kNoPort) {
    owner_.refused(connection.claimed, reason);
    // Not for a stranger who does not know the secret, nor for one who was stopped half-way: they would keep out
    // whom the port is for.
    if (reason.fault != Fault::kRefused && reason.fault != Fault::kTimeout) {
      pause(*served(listener, connection.claimed));
    }
  }
  end(listener, connection, reason.text, true);
}

MemifServer::Connection* MemifServer::connection_of(Listener& listener, PortId port) {
  const auto found = std::ranges::find(listener.connections, port, &Connection::attached);
  return found == listener.connections.end() ? nullptr : &*found;
}

void MemifServer::disconnect(PortId port, const std::string& reason) {
  for (auto& [address, listener] : listeners_) {
    if (Connection* connection = connection_of(*listener, port)) {
      end(*listener, *connection, reason, true);
      return;
    }
  }
}

void MemifServer::remove(PortId port, const std::string& reason) {
  for (auto at = listeners_.begin(); at != listeners_.end(); ++at) {
    Listener& listener = *at->second;
    const auto mine = std::ranges::find_if(
        listener.served, [port](const auto& entry) { return entry.second.port == port; });
    if (mine == listener.served.end()) {
      continue;
    }
    listener.served.erase(mine);
    // All that named this port, also handshakes under way: its number may soon be another port's.
    const bool last = listener.served.empty();
    for (auto next = listener.connections.begin(); next != listener.connections.end();) {
      Connection& connection = *next++;
      if (last || connection.claimed == port) {
        end(listener, connection, reason, true);
      }
    }
    if (last) {
      reactor_.unwatch(listener.socket.get());
      unlink_socket(listener.address, listener.device, listener.inode);
      listener.disposal.take_listener(std::move(listener.socket));
      listeners_.erase(at);
    }
    return;
  }
}

// A client takes the smaller of this and its own, so what all ports of the socket allow suits each of them.
memif::Interface MemifServer::common_limits(const Listener& listener) const {
  memif::Interface limits{"", kMaxQueues, memif::kMaxLog2RingSize};
  for (const auto& [id, served] : listener.served) {
    limits.queues = std::min(limits.queues, served.interface.queues);
    limits.log2_ring_size = std::min(limits.log2_ring_size, served.interface.log2_ring_size);
  }
  return limits;
}

void MemifServer::accept(Listener& listener) {
  if (listener.disposal.clogged()) {
    reactor_.unwatch(listener.socket.get());
    listener.deaf = true;
    return;
  }
  UniqueFd socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno == EMFILE || errno == ENFILE) {
      // The connection stays in the backlog and would be reported again at once, for ever.
      reactor_.unwatch(listener.socket.get());
      listener.deaf = true;
    }
    return;
  }
  const auto unattached = std::ranges::count(listener.connections, kNoPort, &Connection::attached);
  if (static_cast<size_t>(unattached) >= kMaxUnattached) {
    // A flood of connections that say nothing must not hold descriptors.
    listener.disposal.take(Channel(std::move(socket)));
    return;
  }
  Connection& connection = begin(listener, std::move(socket));
  if (!connection.channel.send(ServerHandshake::hello("memswitch", common_limits(listener)))) {
    end(listener, connection, "the peer does not read", false);
  }
}

MemifServer::Connection& MemifServer::begin(Listener& listener, UniqueFd socket) {
  const int fd = socket.get();
  Connection& connection = listener.connections.emplace_back(
      std::move(socket), [this, &listener, fd](uint32_t id, memif::Reason& reason) {
        auto self = std::ranges::find(listener.connections, fd,
                                      [](const Connection& c) { return c.channel.fd(); });
        return claim(listener, *self, id, reason);
      });
  reactor_.watch(fd, [this, &listener, fd] { readable(listener, fd); });
  return connection;
}

std::optional<memif::Interface> MemifServer::claim(Listener& listener, Connection& connection,
                                                   uint32_t id, memif::Reason& reason) {
  const auto found = listener.served.find(id);
  if (found == listener.served.end()) {
    reason = {Fault::kRefused, "no port has id " + std::to_string(id) + " on this socket"};
    return std::nullopt;
  }
  const Served& one = found->second;
  if (Clock::now() - one.expelled < one.pause) {
    reason = {Fault::kRefused, "paused after a violation of the protocol; try again later"};
    return std::nullopt;
  }
  if (Connection* other = connection_of(listener, one.port)) {
    // A client that died and came back at once can be seen before its old connection's end.
    if (!other->channel.hung_up()) {
      connection.claimed = one.port;  // so that the operator is told too
      reason = {Fault::kRefused, "id " + std::to_string(id) + " is in use by another peer"};
      return std::nullopt;
    }
    end(listener, *other, "the peer closed the connection", false);
  }
  connection.claimed = one.port;
  if (!one.allowed.takes(connection.channel.credentials())) {
    reason = {Fault::kRefused, "your user and group may not attach to this port"};
    return std::nullopt;
  }
  return one.interface;
}

void MemifServer::readable(Listener& listener, int fd) {
  // Bounded work for one peer at a time; what is left is reported again.
  for (int i = 0; i < 16; ++i) {
    const auto found = std::ranges::find(listener.connections, fd,
                                         [](const Connection& c) { return c.channel.fd(); });
    if (found == listener.connections.end()) {
      return;
    }
    memif::Record record;
    switch (found->channel.receive(record)) {
      case Channel::Receive::kAgain:
        return;
      case Channel::Receive::kClosed:
        end(listener, *found, "the peer closed the connection", false);
        return;
      case Channel::Receive::kMalformed:
        offend(listener, *found, memif::Reason(Fault::kRecord));
        listener.disposal.take(std::move(record.fds));
        return;
      case Channel::Receive::kRecord: {
        const bool goes_on = take(listener, *found, record);
        listener.disposal.take(std::move(record.fds));
        if (!goes_on) {
          return;
        }
      }
    }
  }
}

// False when the connection has ended.
bool MemifServer::take(Listener& listener, Connection& connection, memif::Record& record) {
  memif::Message answer{};
  if (!hear(listener, connection, record, answer)) {
    return false;
  }
  if (!connection.channel.send(answer)) {
    end(listener, connection, "the peer does not read", false);
    return false;
  }
  return true;
}

// What `answer` is for; false when the connection has ended. With the last message the peer is attached, before CONNECTED is
// sent: it may send and expect frames from then on.
bool MemifServer::hear(Listener& listener, Connection& connection, memif::Record& record,
                       memif::Message& answer) {
  const ServerHandshake::Step step = connection.handshake.take(record, answer);
  if (step != ServerHandshake::Step::kEnd) {
    remember(connection, record);
    return step == ServerHandshake::Step::kAnswer || attach(listener, connection);
  }
  const memif::Reason reason = connection.handshake.reason();  // a copy: the connection ends
  if (connection.handshake.by_peer()) {
    end(listener, connection, reason.text, false);
  } else {
    offend(listener, connection, reason);
  }
  return false;
}

bool MemifServer::attach(Listener& listener, Connection& connection) {
  const PortId port = connection.claimed;
  if (connection_of(listener, port) != nullptr) {
    end(listener, connection, "the id is in use by another peer", true);
    return false;
  }
  if (memif::Reason reason =
          owner_.attached(port, memif::server_link(std::move(connection.handshake.attachment())),
                          connection.channel.credentials());
      !reason.empty()) {
    end(listener, connection, reason.text, true);
    return false;
  }
  connection.attached = port;
  return true;
}

void MemifServer::end(Listener& listener, Connection& connection, const std::string& reason,
                      bool tell_peer) {
  if (tell_peer) {
    connection.channel.send_disconnect(reason);
  }
  reactor_.unwatch(connection.channel.fd());
  const PortId port = connection.attached;
  listener.disposal.take(std::move(connection.channel));
  listener.connections.remove_if([&](const Connection& c) { return &c == &connection; });
  if (port != kNoPort) {
    owner_.detached(port, reason);
  }
}

void MemifServer::expire() {
  const auto before = Clock::now() - kHandshakeTime;
  for (auto& [address, listener] : listeners_) {
    if (std::exchange(listener->deaf, false)) {
      hear_newcomers(*listener);
    }
    for (auto at = listener->connections.begin(); at != listener->connections.end();) {
      Connection& connection = *at++;
      if (connection.attached == kNoPort && connection.since < before) {
        offend(*listener, connection, memif::Reason(Fault::kTimeout));
      }
    }
  }
}

}  // namespace memswitch
