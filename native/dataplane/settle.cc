#include <emmintrin.h>

#include "dataplane/worker.h"

namespace memswitch {

void settle(Worker& worker) {
  if (worker.unsettled.all().empty()) {
    return;
  }
  _mm_mfence();
  for (const PortId id : worker.unsettled.all()) {
    if (Port* port = worker.shared.ports[id].load(std::memory_order_acquire)) {
      port->settle();
    }
  }
  worker.unsettled.clear();
}

}  // namespace memswitch
