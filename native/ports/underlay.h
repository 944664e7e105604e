// What carries a tunnel's frames between VTEPs.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "tables/tunnel_table.h"

namespace memswitch {

class VxlanPort;

// A frame of a burst, and where it goes.
struct Parcel {
  uint8_t frame;
  RemoteIndex remote;
};

class Underlay {
 public:
  Underlay() = default;
  Underlay(const Underlay&) = delete;
  Underlay& operator=(const Underlay&) = delete;
  virtual ~Underlay() = default;

  // Sends at most kBurst parcels of a tunnel, those of one flow in their order. Afterwards each is counted as transmitted or
  // dropped with a reason, for the port and for the remote. Called by any worker.
  virtual void send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel,
                    uint16_t worker, PortCounters& counters) = 0;

  // As Port::settle().
  virtual bool settle(uint16_t /*worker*/) { return true; }

  // Replaced by control as a whole; null before the first tunnel.
  std::atomic<const VniTable*> tunnels{nullptr};
};

}  // namespace memswitch
