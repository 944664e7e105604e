// What one process hands to another that takes its place: the listening sockets of memif, the connections to their peers, and
// for each what the peer said when it attached, with its memory and its doorbells. The new process hears it all again, by the
// same handshake and the same checks (memif/server_handshake.h), and goes on where the rings stand: the peer, who sees
// neither, cannot tell. So no message of a peer is believed because another process believed it.
//
// It goes over a UNIX socket that the new process makes, to a process of the same user only. That one says its version first, and in
// the end that it has everything: until then the old process can go on as if nothing had been.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "control/access.h"
#include "control/status.h"
#include "memif/channel.h"
#include "memif/fd.h"

namespace memswitch {

struct HandedConnection {
  UniqueFd socket{};
  std::vector<memif::Record> said{};
};

struct HandedListener {
  std::string address;
  NetworkNamespace netns;
  SocketFile file;
  UniqueFd socket{};
  dev_t device = 0;  // of the socket's file
  ino_t inode = 0;
  std::vector<HandedConnection> connections{};
};

struct Handover {
  std::vector<HandedListener> listeners{};
  std::string note{};  // in the processes' own words
};

// One datagram, with at most one descriptor.
struct HandedItem {
  // Changes with what is below and with what a Message means.
  static constexpr uint64_t kVersion = 0x6d73'7769'7463'0001;
  // The heir says kHello and kTaken, the other one the rest.
  enum class Kind : uint32_t { kNote, kListener, kConnection, kSaid, kEnd, kHello, kTaken };

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

// Adds to what has come so far. What a peer said is looked at when it is heard again.
Status take_handed(const HandedItem& item, UniqueFd fd, Handover& handover);

// A handover is awaited at the socket, a path that is free.
Status await_handover(const std::string& socket, UniqueFd& listener);
// Waits until it has come, and the other switch is closed, so that its devices are free; on a thread that may wait.
Status receive_handover(const UniqueFd& listener, Handover& handover);

// The other side: finds the process that waits there, and that it is of this version.
Status reach_heir(const std::string& socket, UniqueFd& heir);

// Then it is told one thing after the other; a connection is its listener's that was told before it, and likewise what was said.
Status tell_note(const UniqueFd& heir, const std::string& note);
// Without its descriptors and connections.
Status tell_listener(const UniqueFd& heir, const HandedListener& listener, int socket);
Status tell_connection(const UniqueFd& heir, int socket);
Status tell_said(const UniqueFd& heir, const memif::Message& message, int fd);
// That was all. Waits until it says that it has it.
Status conclude(const UniqueFd& heir);

}  // namespace memswitch
