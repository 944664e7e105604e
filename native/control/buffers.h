// Pools of buffers (mbufs), one a device, on the device's NUMA node. A pool of its own means that a device whose frames
// pile up elsewhere starves nobody else, and that nothing is left when it goes. The last buffers of a closed device may
// still wait in another's transmit queue: its pool is freed when they are back.
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <vector>

#include "control/status.h"

namespace memswitch {

struct PoolFree {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using Pool = std::unique_ptr<rte_mempool, PoolFree>;

struct PoolNeeds {
  uint32_t descriptors = 0;  // in all queues of the device, both ways
  size_t workers = 1;
  uint16_t room = 0;  // bytes of a frame that one buffer takes
  int node = 0;       // SOCKET_ID_ANY: any
};

// All of the process; under their owner's lock.
class Pools {
 public:
  // It stays with us.
  Status make(const PoolNeeds& needs, rte_mempool*& pool);
  // Its device was closed: it is freed when it is whole again.
  void retire(rte_mempool* pool);
  void sweep();

  [[nodiscard]] uint32_t count() const {
    return static_cast<uint32_t>(active_.size() + retired_.size());
  }
  // Buffers that are out now.
  [[nodiscard]] uint32_t used() const;

 private:
  std::vector<Pool> active_;
  std::vector<Pool> retired_;
};

}  // namespace memswitch
