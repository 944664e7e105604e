// Virtual Ethernet port aggregator (IEEE Std 802.1Q, 5.22): ports of a bridge that are `vepa` send everything to those that
// are not, its uplinks. The switch behind an uplink sends back what is for another of them.
//
// Such a frame has a source that is behind one of our own ports. That address must not move to the uplink, and who sent the
// frame must not get it back when it is flooded; Linux' macvlan does the same (drivers/net/macvlan.c).
#pragma once

#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

// What comes in from `in` may have come back.
inline bool is_uplink(const Port& in, const Bridge& bridge) {
  return bridge.has_vepa.load(std::memory_order_relaxed) &&
         (in.apart.load(std::memory_order_relaxed) & kVepa) == 0;
}

// Of a run from an uplink: the vepa port that sent it, or kNoPort.
inline PortId reflected_from(const Run& run, const Worker& worker, const Bridge& bridge) {
  const PortId id = bridge.macs.find(run.source, run.source_hash);
  const Port* port =
      id == kNoPort ? nullptr : worker.shared.ports[id].load(std::memory_order_acquire);
  return port != nullptr && (port->apart.load(std::memory_order_relaxed) & kVepa) != 0 ? id
                                                                                       : kNoPort;
}

}  // namespace memswitch
