// The listening side of memif: sockets, connections and their handshakes. One socket serves many ports by their
// interface id. What happens to a port is told to its owner.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "control/memif_owner.h"
#include "control/reactor.h"
#include "control/status.h"
#include "memif/channel.h"
#include "memif/server_handshake.h"
#include "tables/limits.h"

namespace memswitch {

class MemifServer {
 public:
  MemifServer(Reactor& reactor, MemifOwner& owner) : reactor_(reactor), owner_(owner) {}
  MemifServer(const MemifServer&) = delete;
  MemifServer& operator=(const MemifServer&) = delete;
  ~MemifServer();

  // Serves the port at `socket` (a path, or '@name') under `id`.
  Status add(const std::string& socket, uint32_t id, PortId port, memif::Interface interface);
  // Ends the port's connection, if any, and forgets the port; the socket goes with its last port.
  void remove(PortId port, const std::string& reason);
  // Ends the port's connection; a peer may come again.
  void disconnect(PortId port, const std::string& reason);
  // Once a second: ends connections that dawdle in their handshake, listens again where descriptors were wanting.
  void expire();

 private:
  using Clock = std::chrono::steady_clock;
  struct Listener;

  struct Served {
    PortId port;
    memif::Interface interface;
  };

  struct Connection {
    Connection(UniqueFd socket, memif::ServerHandshake::Find find)
        : channel(std::move(socket)), handshake(std::move(find)) {}
    memif::Channel channel;
    memif::ServerHandshake handshake;
    Clock::time_point since = Clock::now();
    PortId claimed = kNoPort;   // the port that INIT named
    PortId attached = kNoPort;  // the port it is the link of
  };

  struct Listener {
    std::string address;
    UniqueFd socket;
    bool deaf = false;  // not listening for a moment, for want of descriptors
    dev_t device = 0;  // of the socket's file, to remove no other
    ino_t inode = 0;
    std::map<uint32_t, Served> served;
    std::list<Connection> connections;
  };

  static constexpr size_t kMaxUnattached = 64;
  static constexpr auto kHandshakeTime = std::chrono::seconds(5);

  Status listen(Listener& listener);
  void accept(Listener& listener);
  void readable(Listener& listener, int fd);
  bool take(Listener& listener, Connection& connection, memif::Record& record);
  std::optional<memif::Interface> claim(Listener& listener, Connection& connection, uint32_t id,
                                        memif::Reason& reason);
  bool connect(Listener& listener, Connection& connection, const memif::Message& answer);
  void end(Listener& listener, Connection& connection, const std::string& reason, bool tell_peer);
  Connection* connection_of(Listener& listener, PortId port);
  memif::Interface common_limits(const Listener& listener) const;
  void unlink_socket(const Listener& listener);

  Reactor& reactor_;
  MemifOwner& owner_;
  std::map<std::string, std::unique_ptr<Listener>> listeners_;
};

}  // namespace memswitch
