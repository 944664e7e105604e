// Ports that were sent to, and whose peers may have gone to sleep just then. A sender publishes frames and then looks
// whether the peer wants a doorbell; a peer that falls asleep asks for it and then looks for frames. Without a full
// fence between the sender's two steps both can miss each other (the store waits in the store buffer), and a fence
// waits for all those stores to lines that other cores own. So nobody waits: the worker looks a second time, a moment
// later, when it has nothing else to do. Then also goes out what a worker left with one that was sending just then
// (ports/ethdev_tx_queue.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tables/limits.h"

namespace memswitch {

class Unsettled {
 public:
  void add(PortId port) {
    if (!noted_[port]) {
      noted_[port] = true;
      ports_[used_++] = port;
    }
  }

  [[nodiscard]] std::span<const PortId> all() const { return {ports_.data(), used_}; }

  // Only those of which `is_unsettled` says so.
  template <typename Predicate>
  void keep(const Predicate& is_unsettled) {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < used_; ++i) {
      const PortId port = ports_[i];
      noted_[port] = is_unsettled(port);
      if (noted_[port]) {
        ports_[kept++] = port;
      }
    }
    used_ = kept;
  }

 private:
  uint16_t used_ = 0;
  std::array<bool, kMaxPorts> noted_{};
  std::vector<PortId> ports_ = std::vector<PortId>(kMaxPorts);
};

}  // namespace memswitch
