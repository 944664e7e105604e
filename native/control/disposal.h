// Closes what peers sent and nobody keeps. A close() can wait as long as the file's owner likes: a TCP socket with
// SO_LINGER and an hour, a file of FUSE whose server does not answer. It must not be the control thread that waits, for
// with it the whole switch would. So what is not surely prompt is closed by a thread made for it; a listener with several
// of those hears nobody until they are done.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "memif/channel.h"
#include "memif/fd.h"

namespace memswitch {

class Disposal {
 public:
  void take(std::vector<UniqueFd> fds);
  // A connection with all that may lie unread in it.
  void take(memif::Channel channel);
  // A listening socket with all that nobody accepted.
  void take_listener(UniqueFd socket);

  [[nodiscard]] bool clogged() const { return *pending_ >= kMostPending; }

 private:
  static constexpr int kMostPending = 4;  // threads

  void close_elsewhere(std::vector<UniqueFd> fds);

  std::shared_ptr<std::atomic<int>> pending_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace memswitch
