// Ends frames of a burst: counts them with their reason, and notes for each what became of it, which is for those who
// look on (dataplane/watch.h). Only frames that are dropped cost anything.
#pragma once

#include <algorithm>
#include <span>

#include "dataplane/counters.h"
#include "dataplane/frame.h"

namespace memswitch {

inline void drop(Burst& burst, uint16_t frame, Drop reason, PortCounters& counters) {
  burst.fate[frame] = fate_of(reason);
  burst.thinned = true;
  counters.drop(reason);
}

// All frames of a run.
inline void drop(Burst& burst, const Run& run, Drop reason, PortCounters& counters) {
  std::fill_n(burst.fate.begin() + run.first, run.count, fate_of(reason));
  burst.thinned = true;
  counters.drop(reason, run.count);
}

inline void drop(Burst& burst, std::span<const uint8_t> which, Drop reason,
                 PortCounters& counters) {
  for (const uint8_t i : which) {
    drop(burst, i, reason, counters);
  }
}

}  // namespace memswitch
