// The way to the daemon: a connection to the socket of its API, which leaves HTTP by an upgrade (RFC 9110, 7.8) for messages.
//
// A message is a list of texts: its length in bytes (32 bits, little endian), then each text with a NUL at its end.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "control/status.h"
#include "memif/fd.h"

namespace memswitch::cni {

using Message = std::vector<std::string>;

inline constexpr size_t kLongestMessage = 16U << 20;
// Without a word from it: a daemon that hangs must not hold its callers for ever.
inline constexpr int kLongestSilenceS = 60;

class Daemon {
 public:
  Status connect(const std::string& socket);
  Status send(const Message& message);
  Status receive(Message& message);

 private:
  Status upgrade();
  Status send(const std::string& bytes);
  Status receive(char* to, size_t size);

  UniqueFd socket_;
};

// As texts of a message; false: the last one has no end.
bool split(const std::string& bytes, Message& message);

}  // namespace memswitch::cni
