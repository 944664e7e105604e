#include "dataplane/fate.h"
#include "dataplane/policy.h"
#include "dataplane/worker.h"

namespace memswitch {

std::span<const uint8_t> depart(Burst& burst, std::span<const uint8_t> which, Worker& worker,
                                const Policy& policy, PortCounters& counters,
                                std::array<uint8_t, kBurst>& kept) {
  if (policy.vlans) {
    which = retag(burst, which, *policy.vlans, counters, worker.room, kept);
  }
  if (policy.tx) {
    const std::span<const uint8_t> passed = within(policy.tx, worker.now, burst, which);
    drop(burst, which.subspan(passed.size()), Drop::kTxRate, counters);
    which = passed;
  }
  return which;
}

}  // namespace memswitch
