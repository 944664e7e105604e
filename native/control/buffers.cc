#include "control/buffers.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <string>

#include "dataplane/frame.h"

namespace memswitch {

namespace {

constexpr uint32_t kCache = 256;
// Buffers of this device may fill the transmit queues of others, this many before its own receive queues run dry.
constexpr uint32_t kAbroad = 4096;

uint32_t buffers_for(const PoolNeeds& needs) {
  // A thread's cache holds up to one and a half times its size (rte_mempool.h).
  const auto threads = static_cast<uint32_t>(needs.workers) * (kCache * 3 / 2 + 2 * kBurst);
  return needs.descriptors + kAbroad + threads;
}

}  // namespace

Status Pools::make(const PoolNeeds& needs, rte_mempool*& pool) {
  static uint32_t last = 0;
  const std::string name = "memswitch" + std::to_string(++last);
  const uint32_t count = buffers_for(needs);
  const auto room = static_cast<uint16_t>(needs.room + RTE_PKTMBUF_HEADROOM);
  // Workers need not be pinned: with this ring a thread that is interrupted in the middle holds up nobody.
  pool = rte_pktmbuf_pool_create_by_ops(name.c_str(), count, kCache, 0, room, needs.node,
                                        "ring_mt_rts");
  if (pool != nullptr) {
    active_.emplace_back(pool);
    return {};
  }
  const uint64_t mb = (uint64_t{count} * (room + sizeof(rte_mbuf) + 64)) >> 20;
  return refuse(Code::kLimit, "no memory for the device's buffers (" + std::to_string(mb) +
                                  " MB): " + rte_strerror(rte_errno) +
                                  "; give it more huge pages, run: echo 1024 | sudo tee "
                                  "/proc/sys/vm/nr_hugepages, and start the switch again");
}

void Pools::retire(rte_mempool* pool) {
  const auto found = std::ranges::find(active_, pool, &Pool::get);
  retired_.push_back(std::move(*found));
  active_.erase(found);
  sweep();
}

void Pools::sweep() {
  std::erase_if(retired_, [](const Pool& pool) { return rte_mempool_full(pool.get()) == 1; });
}

uint32_t Pools::used() const {
  uint32_t sum = 0;
  for (const std::vector<Pool>* pools : {&active_, &retired_}) {
    for (const Pool& pool : *pools) {
      sum += rte_mempool_in_use_count(pool.get());
    }
  }
  return sum;
}

}  // namespace memswitch
