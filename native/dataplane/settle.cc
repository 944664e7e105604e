#include <atomic>

#include "dataplane/worker.h"

namespace memswitch {

void settle(Worker& worker) {
  if (worker.unsettled.all().empty()) {
    return;
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const PortId id : worker.unsettled.all()) {
    if (Port* port = worker.shared.ports[id].load(std::memory_order_acquire)) {
      port->settle(worker.index);
    }
  }
  worker.unsettled.clear();
}

}  // namespace memswitch
