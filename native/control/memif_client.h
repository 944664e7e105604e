// The calling side of memif: ports in the client role, each with a server to reach. One that can't be reached is tried
// again after 100 ms, then twice that, up to 3 s; at once when its socket file appears.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "control/access.h"
#include "control/disposal.h"
#include "control/memif_owner.h"
#include "control/reactor.h"
#include "memif/channel.h"
#include "memif/client_handshake.h"

namespace memswitch {

class MemifClient {
 public:
  MemifClient(Reactor& reactor, MemifOwner& owner);
  MemifClient(const MemifClient&) = delete;
  MemifClient& operator=(const MemifClient&) = delete;

  // Keeps the port attached to the server at `socket`, from now on.
  void add(const std::string& socket, const NetworkNamespace& netns, PortId port,
           memif::ClientOptions options);
  // Ends the port's connection, if any, and forgets the port.
  void remove(PortId port, const std::string& reason);
  // Ends the port's connection; it is made again after the usual pause.
  void disconnect(PortId port, const std::string& reason);
  // Dials those whose pause is over, ends handshakes that take too long.
  void tick();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kFirstPause = std::chrono::milliseconds(100);
  static constexpr auto kLongestPause = std::chrono::milliseconds(3000);
  static constexpr auto kHandshakeTime = std::chrono::seconds(5);

  struct Caller {
    PortId port;
    std::string socket;
    NetworkNamespace netns;
    memif::ClientOptions options;
    std::optional<memif::Channel> channel{};  // none: pausing
    std::optional<memif::ClientHandshake> handshake{};
    bool attached = false;
    Clock::time_point since{};  // of the connection
    Clock::time_point next{};   // to dial
    Clock::duration pause = kFirstPause;
  };

  Caller* find(PortId port);
  void dial(Caller& caller);
  void readable(PortId port);
  bool take(Caller& caller, const memif::Record& record);
  void end(Caller& caller, const std::string& reason, bool tell_peer);
  void watch_folder(const std::string& socket);
  void folder_changed();

  Reactor& reactor_;
  MemifOwner& owner_;
  std::list<Caller> callers_;
  UniqueFd inotify_;
  Disposal disposal_;
};

}  // namespace memswitch
