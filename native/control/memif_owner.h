// Who is told what happens between a memif port and its peer, in either role.
#pragma once

#include <string>

#include "memif/channel.h"
#include "memif/fault.h"
#include "memif/link.h"
#include "tables/limits.h"

namespace memswitch {

class MemifOwner {
 public:
  virtual ~MemifOwner() = default;
  // Refuses with a reason; then nothing has changed.
  virtual memif::Reason attached(PortId port, memif::Link link, memif::PeerCredentials peer) = 0;
  virtual void detached(PortId port, const std::string& reason) = 0;
  // A peer broke the protocol or was refused; the port is unchanged.
  virtual void refused(PortId port, const memif::Reason& reason) = 0;
};

}  // namespace memswitch
