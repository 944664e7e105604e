// Who looks on at a port: captures, and mirrors, which send copies of its frames to another port. Where nobody does, a
// port has no watch, and that is all that a burst asks: one pointer as it comes in, one for each group that leaves.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/capture.h"
#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "ports/port.h"

namespace memswitch {

// Copies of what came in from a port, or left by it, go to another. Each is counted as one of the first port's copies,
// and as transmitted or dropped (Drop::kMirrorLost) at the second.
struct Mirror {
  struct alignas(64) Lane {
    PortCounters* to = nullptr;  // counters of the port that gets the copies; null: no such worker
    Counter frames;              // sent
    Counter bytes;
    Counter lost;
  };
  Port* to;  // outlives the mirror
  bool rx;
  bool tx;
  std::array<Lane, kMaxWorkers> lanes;  // by worker; control adds one before the worker starts
};

// Replaced by control as a whole.
class Watch {
 public:
  Watch(PortId port, std::vector<std::shared_ptr<const Capture>> captures,
        std::vector<std::shared_ptr<Mirror>> mirrors)
      : port_(port), captures_(std::move(captures)), mirrors_(std::move(mirrors)) {}

  // Frames of a burst have come in, and each has a fate: dropped, or on its way.
  void came(Burst& burst, uint16_t worker, PortCounters& counters) const;
  // Around a transmit() of the port, each with all frames that are to leave by it: first, when none has met its fate; when
  // they are as they are to leave; and when it is known what became of them.
  void begin(Burst& burst, std::span<const uint8_t> which) const;
  void leaving(Burst& burst, std::span<const uint8_t> which, uint16_t worker) const;
  void left(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
            PortCounters& counters) const;

 private:
  const PortId port_;
  const std::vector<std::shared_ptr<const Capture>> captures_;
  const std::vector<std::shared_ptr<Mirror>> mirrors_;
};

// Port::transmit() for those who call it beside deliver(): seen by whoever looks on.
inline void transmit_watched(Port& port, Burst& burst, std::span<const uint8_t> which,
                             uint16_t worker, PortCounters& counters) {
  const Watch* watch = port.watch.load(std::memory_order_acquire);
  if (watch != nullptr) [[unlikely]] {
    watch->begin(burst, which);
    watch->leaving(burst, which, worker);
  }
  port.transmit(burst, which, worker, counters);
  if (watch != nullptr) [[unlikely]] {
    watch->left(burst, which, worker, counters);
  }
}

}  // namespace memswitch
