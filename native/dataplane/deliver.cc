#include "dataplane/worker.h"

namespace memswitch {

// Each group to its port in one call. An address may still name a port that has just left the bridge or the
// switch; such frames end here, so that bridges stay apart at every moment.
void deliver(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge) {
  for (const Groups::Group& group : worker.groups.all()) {
    Port* port = worker.shared.ports[group.port].load(std::memory_order_acquire);
    if (port == nullptr || port->bridge.load(std::memory_order_acquire) != &bridge) [[unlikely]] {
      worker.counters_of(in.id()).drop(Drop::kNoDestination, group.count);
      continue;
    }
    port->transmit(burst, {group.which.data(), group.count}, worker.index,
                   worker.counters_of(group.port));
  }
  worker.groups.clear();
}

void drop_unbridged(const Burst& burst, PortCounters& in) {
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (!burst.dropped[i]) {
      in.drop(Drop::kNoBridge);
    }
  }
}

void drop_refused(Burst& burst, PortCounters& in) {
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    bytes += burst.frames[i].length;
  }
  in.rx_frames.add(burst.count);
  in.rx_bytes.add(bytes);
  in.drop(*burst.refused, burst.count);
  burst.refused.reset();
}

}  // namespace memswitch
