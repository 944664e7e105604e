#include <array>

#include "dataplane/fate.h"
#include "dataplane/policy.h"
#include "dataplane/watch.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

// Those of the group that the port's MTU lets pass; the others are dropped.
std::span<const uint8_t> short_enough(Burst& burst, std::span<const uint8_t> which,
                                      uint32_t max_frame, PortCounters& counters,
                                      std::array<uint8_t, kBurst>& kept) {
  size_t count = 0;
  for (const uint8_t i : which) {
    if (burst.frames[i].length <= max_frame) {
      kept[count++] = i;
    } else {
      drop(burst, i, Drop::kTooLong, counters);
    }
  }
  return {kept.data(), count};
}

}  // namespace

// Each group to its port in one call. An address may still name a port that has just left the bridge or the
// switch; such frames end here, so that bridges stay apart at every moment.
void deliver(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge) {
  for (const Groups::Group& group : worker.groups.all()) {
    Port* port = worker.shared.ports[group.port].load(std::memory_order_acquire);
    if (port == nullptr || port->bridge.load(std::memory_order_acquire) != &bridge) [[unlikely]] {
      worker.counters_of(in.id()).drop(Drop::kNoDestination, group.count);
      continue;
    }
    const std::span<const uint8_t> all{group.which.data(), group.count};
    std::span<const uint8_t> which = all;
    PortCounters& counters = worker.counters_of(group.port);
    const Watch* watch = port->watch.load(std::memory_order_acquire);
    if (watch != nullptr) [[unlikely]] {
      watch->begin(burst, all);
    }
    std::array<uint8_t, kBurst> kept;
    if (const Policy* policy = port->policy.load(std::memory_order_acquire)) [[unlikely]] {
      which = depart(burst, which, worker, *policy, counters, kept);
    }
    if (watch != nullptr) [[unlikely]] {
      watch->leaving(burst, all, worker.index);
    }
    if (const uint32_t most = port->max_frame.load(std::memory_order_relaxed); burst.longest > most)
        [[unlikely]] {
      which = short_enough(burst, which, most, counters, kept);
    }
    port->transmit(burst, which, worker.index, counters);
    worker.unsettled.add(group.port);
    if (watch != nullptr) [[unlikely]] {
      watch->left(burst, all, worker.index, counters);
    }
  }
  worker.groups.clear();
}

}  // namespace memswitch
