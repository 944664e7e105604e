#include <emmintrin.h>

#include "dataplane/worker.h"

namespace memswitch {

void settle(Worker& worker) {
  if (worker.unsettled.all().empty()) {
    return;
  }
  _mm_mfence();
  worker.unsettled.keep([&worker](PortId id) {
    Port* port = worker.shared.ports[id].load(std::memory_order_acquire);
    return port != nullptr && !port->settle(worker.index, worker.counters_of(id));
  });
}

}  // namespace memswitch
