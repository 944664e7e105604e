// The listening side of memif: sockets, connections and their handshakes. One socket serves many ports by their
// interface id. What happens to a port is told to its owner.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "control/access.h"
#include "control/disposal.h"
#include "control/handover.h"
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

  // Where a port is served. Sockets of the same name in two network namespaces are two sockets.
  struct Place {
    std::string socket;  // a path, or '@name'
    uint32_t id = 0;
    NetworkNamespace netns{};  // of an abstract socket
    SocketFile file{};         // of a path
  };

  Status add(const Place& place, PortId port, memif::Interface interface, Allowed allowed = {});
  // Ends the port's connection, if any, and forgets the port; the socket goes with its last port.
  void remove(PortId port, const std::string& reason);
  // Ends the port's connection; a peer may come again.
  void disconnect(PortId port, const std::string& reason);
  // Ends it because the peer broke the rules: nobody may attach for a while, each time longer.
  void expel(PortId port, const std::string& reason);

  [[nodiscard]] bool serves(PortId port) const;
  // Tells another process of all sockets and peers, while nobody polls them. `link_of`: a port's that is attached.
  using LinkOf = std::function<const memif::Link&(PortId)>;
  Status bequeath(const UniqueFd& heir, const LinkOf& link_of) const;
  // That has them: nobody is served here any more, and no peer is told.
  void surrender();
  // From another process, before the first port: sockets for those that are added.
  void inherit(std::vector<HandedListener> heritage) { heritage_ = std::move(heritage); }
  // When all are there: attaches the peers, who do not notice. Those whose port is not there are told.
  void adopt();

  // Once a second: ends connections that dawdle in their handshake, listens again where descriptors were wanting.
  void expire();

 private:
  using Clock = std::chrono::steady_clock;
  struct Listener;

  struct Served {
    PortId port;
    memif::Interface interface;
    Allowed allowed;
    Clock::time_point expelled{};  // the last time
    Clock::duration pause{};       // since then
  };

  struct Connection {
    Connection(UniqueFd socket, memif::ServerHandshake::Find find)
        : channel(std::move(socket)), handshake(std::move(find)) {}
    memif::Channel channel;
    memif::ServerHandshake handshake;
    Clock::time_point since = Clock::now();
    PortId claimed = kNoPort;   // the port that INIT named
    PortId attached = kNoPort;  // the port it is the link of
    // For another process: all so far, with the files of regions. Empty again, for good, when these are too many.
    std::vector<memif::Record> said{};
    size_t files = 0;
  };

  struct Listener {
    std::string address;
    NetworkNamespace netns;
    SocketFile file;
    UniqueFd socket;
    bool deaf = false;  // not listening for a moment
    dev_t device = 0;   // of the socket's file, to remove no other
    ino_t inode = 0;
    std::map<uint32_t, Served> served;
    std::list<Connection> connections;
    Disposal disposal;
    std::optional<std::vector<HandedConnection>> handed{};  // to be adopted
  };

  static constexpr size_t kMaxUnattached = 64;
  // Regions of a peer whose files are kept; who brings more is not handed over, and comes again. A peer may bring 256, and
  // as many peers as may be unattached would leave no descriptors to others.
  static constexpr size_t kMaxFiles = 16;
  static constexpr auto kFirstPause = std::chrono::milliseconds(100);
  static constexpr auto kLongestPause = std::chrono::seconds(30);
  static constexpr auto kForgiven = std::chrono::minutes(1);
  static constexpr auto kHandshakeTime = std::chrono::seconds(5);

  Status listen(Listener& listener);
  Status own_socket(Listener& listener);
  bool take_up(Listener& listener);
  void hear_newcomers(Listener& listener);
  void accept(Listener& listener);
  Connection& begin(Listener& listener, UniqueFd socket);
  void adopt(Listener& listener, HandedConnection& handed);
  void readable(Listener& listener, int fd);
  bool take(Listener& listener, Connection& connection, memif::Record& record);
  bool hear(Listener& listener, Connection& connection, memif::Record& record,
            memif::Message& answer);
  std::optional<memif::Interface> claim(Listener& listener, Connection& connection, uint32_t id,
                                        memif::Reason& reason);
  static void remember(Connection& connection, memif::Record& record);
  bool attach(Listener& listener, Connection& connection);
  // The peer broke the rules, or was refused.
  void offend(Listener& listener, Connection& connection, const memif::Reason& reason);
  static void pause(Served& served);
  void end(Listener& listener, Connection& connection, const std::string& reason, bool tell_peer);
  Served* served(Listener& listener, PortId port);
  Connection* connection_of(Listener& listener, PortId port);
  memif::Interface common_limits(const Listener& listener) const;
  static void unlink_socket(const std::string& path, dev_t device, ino_t inode);

  Reactor& reactor_;
  MemifOwner& owner_;
  std::map<std::pair<NetworkNamespace, std::string>, std::unique_ptr<Listener>> listeners_;
  std::vector<HandedListener> heritage_;
};

}  // namespace memswitch
