// The shared memory between two sides once the handshake is done, in either role: what a port needs to move frames.
#pragma once

#include <string>
#include <vector>

#include "memif/fd.h"
#include "memif/region.h"
#include "memif/ring.h"

namespace memswitch::memif {

struct Link {
  std::string peer;  // the name the other side gives itself, cleaned
  std::vector<Region> regions;
  std::vector<UniqueFd> doorbells;  // the rings' eventfds
  std::vector<Descriptor> lent;     // a client's buffers, by ring and slot; rings point into it
  std::vector<Ring> rx;             // by queue
  std::vector<Ring> tx;
};

}  // namespace memswitch::memif
