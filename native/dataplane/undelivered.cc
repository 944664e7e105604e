// Bursts that end before anybody looks at their addresses.
#include "dataplane/fate.h"
#include "dataplane/watch.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

void show(Burst& burst, Worker& worker, Port& in) {
  if (const Watch* watch = in.watch.load(std::memory_order_acquire)) {
    watch->came(burst, worker.index, worker.counters_of(in.id()));
  }
}

}  // namespace

void drop_unbridged(Burst& burst, Worker& worker, Port& in) {
  const bool gets_copies = in.gets_copies.load(std::memory_order_relaxed);
  const Drop reason = gets_copies ? Drop::kMirrorPort : Drop::kNoBridge;
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (burst.fate[i] == kUnderWay) {
      drop(burst, i, reason, worker.counters_of(in.id()));
    }
  }
  show(burst, worker, in);
}

void drop_refused(Burst& burst, Worker& worker, Port& in) {
  PortCounters& counters = worker.counters_of(in.id());
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    bytes += burst.frames[i].length;
    drop(burst, i, *burst.refused, counters);
  }
  counters.rx_frames.add(burst.count);
  counters.rx_bytes.add(bytes);
  burst.refused.reset();
  snapshot(burst);
  show(burst, worker, in);
}

}  // namespace memswitch
