// One connection of the control channel: records of 128 bytes over AF_UNIX, SOCK_SEQPACKET, with descriptors
// riding along as SCM_RIGHTS. What arrives is only taken apart here, not judged: see handshake.h.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "memif/fd.h"
#include "memif/wire.h"

namespace memswitch::memif {

struct Record {
  Message message{};
  // More than one is a violation, but none may leak. What is not kept stays here: control/disposal.h knows why.
  std::vector<UniqueFd> fds;
};

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
};

// Sends a record whole, `fd` along with it unless negative; false: not sent, see errno.
bool send_record(int socket, const void* record, size_t size, int fd, int flags);

class Channel {
 public:
  enum class Receive { kRecord, kAgain, kClosed, kMalformed };

  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

  // Takes one record off the socket without waiting. kMalformed: not 128 bytes, or descriptors were cut off.
  Receive receive(Record& record);

  // Sends without waiting, `fd` along with it unless negative; false when the peer is gone or does not read.
  bool send(const Message& message, int fd = -1);

  // Best effort: a peer that does not read misses the reason and sees the socket close.
  void send_disconnect(std::string_view reason);

  [[nodiscard]] PeerCredentials credentials() const;
  // True when the peer has closed its end, also with records still unread.
  [[nodiscard]] bool hung_up() const;
  [[nodiscard]] int fd() const { return socket_.get(); }
  UniqueFd take_socket() { return std::move(socket_); }

 private:
  UniqueFd socket_;
};

// Copies into a fixed field, cut to fit and padded with NUL.
void put_text(char* field, size_t size, std::string_view text);
// Reads a fixed field up to its NUL; bytes that are not printable ASCII become '?', for logs and terminals.
std::string take_text(const char* field, size_t size);

}  // namespace memswitch::memif
