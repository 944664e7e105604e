#include "dataplane/policy.h"
#include "dataplane/worker.h"

namespace memswitch {

std::span<const uint8_t> depart(const Burst& burst, std::span<const uint8_t> which,
                                const Worker& worker, const Policy& policy,
                                PortCounters& counters) {
  if (policy.tx) {
    const std::span<const uint8_t> passed = within(policy.tx, worker.now, burst, which);
    counters.drop(Drop::kTxRate, which.size() - passed.size());
    which = passed;
  }
  return which;
}

}  // namespace memswitch
