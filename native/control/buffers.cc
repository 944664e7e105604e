#include "control/buffers.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>

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

void free_memory(rte_mempool_memhdr*, void* memory) {
  rte_memzone_free(static_cast<const rte_memzone*>(memory));
}

// In one piece of memory, buffer behind buffer. net_af_xdp of 22.11 gives the kernel what begins at the first buffer and has
// the size of all of them; a buffer beyond that, behind the gaps that DPDK leaves at the ends of pages by default, is refused
// on each use, and what was queued behind it stays (seen with TCP over veth: nothing passed any more after some ten thousand
// frames). Hardware needs those gaps only where it is given physical addresses.
bool populate(rte_mempool* pool) {
  if (rte_eal_iova_mode() != RTE_IOVA_VA) {
    return rte_mempool_populate_default(pool) >= 0;
  }
  const size_t size =
      size_t{pool->size} * (pool->header_size + pool->elt_size + pool->trailer_size);
  constexpr unsigned kLargestPages = RTE_MEMZONE_1GB | RTE_MEMZONE_SIZE_HINT_ONLY;
  const rte_memzone* const memory = rte_memzone_reserve_aligned(pool->name, size, pool->socket_id,
                                                                kLargestPages, RTE_MEMPOOL_ALIGN);
  if (memory == nullptr) {
    return false;
  }
  void* const owned = const_cast<rte_memzone*>(memory);
  const int made = rte_mempool_populate_iova(pool, static_cast<char*>(memory->addr), memory->iova,
                                             memory->len, free_memory, owned);
  if (made < 0) {
    rte_memzone_free(memory);
  }
  return made == static_cast<int>(pool->size);
}

// As rte_pktmbuf_pool_create(), but for populate().
Pool make_pool(const std::string& name, uint32_t count, uint16_t room, int node) {
  const bool packed = rte_eal_iova_mode() == RTE_IOVA_VA;
  Pool pool(rte_mempool_create_empty(name.c_str(), count, sizeof(rte_mbuf) + room, kCache,
                                     sizeof(rte_pktmbuf_pool_private), node,
                                     packed ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0));
  // Workers need not be pinned: with this ring a thread that is interrupted in the middle holds up nobody.
  if (pool == nullptr || rte_mempool_set_ops_byname(pool.get(), "ring_mt_rts", nullptr) != 0) {
    return nullptr;
  }
  rte_pktmbuf_pool_private about{};
  about.mbuf_data_room_size = room;
  rte_pktmbuf_pool_init(pool.get(), &about);
  if (!populate(pool.get())) {
    return nullptr;
  }
  rte_mempool_obj_iter(pool.get(), rte_pktmbuf_init, nullptr);
  return pool;
}

}  // namespace

Status Pools::make(const PoolNeeds& needs, rte_mempool*& pool) {
  static uint32_t last = 0;
  const std::string name = "memswitch" + std::to_string(++last);
  const uint32_t count = buffers_for(needs);
  const auto room = static_cast<uint16_t>(needs.room + RTE_PKTMBUF_HEADROOM);
  if (Pool made = make_pool(name, count, room, needs.node)) {
    pool = made.get();
    active_.push_back(std::move(made));
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
