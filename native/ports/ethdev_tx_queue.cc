#include "ports/ethdev_tx_queue.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <bit>

namespace memswitch {

// --- what is left ----------------------------------------------------------------------------------------------------

uint16_t EthdevTxQueue::Box::leave(std::span<rte_mbuf* const> buffers) {
  const uint32_t left = left_.load(std::memory_order_relaxed);
  const uint32_t room = kRoom - (left - taken_.load(std::memory_order_acquire));
  const auto count = static_cast<uint16_t>(std::min<size_t>(buffers.size(), room));
  for (uint16_t i = 0; i < count; ++i) {
    room_[(left + i) % kRoom] = buffers[i];
  }
  left_.store(left + count, std::memory_order_release);
  return count;
}

std::span<rte_mbuf*> EthdevTxQueue::Box::oldest(uint32_t end) {
  const uint32_t taken = taken_.load(std::memory_order_relaxed);
  const uint32_t first = taken % kRoom;
  return {room_.data() + first, std::min(end - taken, kRoom - first)};
}

void EthdevTxQueue::Box::done(size_t count) {
  const uint32_t taken = taken_.load(std::memory_order_relaxed);
  taken_.store(taken + static_cast<uint32_t>(count), std::memory_order_release);
}

// --- the queue -------------------------------------------------------------------------------------------------------

EthdevTxQueue::EthdevTxQueue(uint16_t device, uint16_t queue, size_t workers, bool takes_turns)
    : device_(device), queue_(queue), takes_turns_(takes_turns) {
  for (size_t w = 0; takes_turns && w < std::min<size_t>(workers, kMaxWorkers); ++w) {
    boxes_.push_back(std::make_unique<Box>());
  }
}

bool EthdevTxQueue::take() {
  return !is_taken_.load(std::memory_order_relaxed) &&
         !is_taken_.exchange(true, std::memory_order_acquire);
}

EthdevTxQueue::Sent EthdevTxQueue::send(std::span<rte_mbuf*> buffers, uint16_t worker,
                                        PortCounters& counters) {
  if (!takes_turns_) {
    return {send_now(buffers, counters), Drop::kRingFull};
  }
  if (!take()) [[unlikely]] {
    if (worker >= boxes_.size()) {
      return {0, Drop::kQueueBusy};
    }
    const uint16_t left = boxes_[worker]->leave(buffers);
    left_.fetch_or(uint64_t{1} << worker, std::memory_order_release);
    return {left, Drop::kQueueBusy};
  }
  send_left(counters);
  const uint16_t sent = send_now(buffers, counters);
  send_left(counters);
  give_back();
  return {sent, Drop::kRingFull};
}

bool EthdevTxQueue::settle(PortCounters& counters) {
  if (left_.load(std::memory_order_acquire) != 0 && take()) {
    send_left(counters);
    give_back();
  }
  return left_.load(std::memory_order_acquire) == 0;
}

// Each box as it is now: what its worker goes on leaving meanwhile is for the next.
void EthdevTxQueue::send_left(PortCounters& counters) {
  if (left_.load(std::memory_order_relaxed) == 0) [[likely]] {
    return;
  }
  for (uint64_t who = left_.exchange(0, std::memory_order_acquire); who != 0; who &= who - 1) {
    Box& box = *boxes_[static_cast<size_t>(std::countr_zero(who))];
    const uint32_t end = box.end();
    for (auto waiting = box.oldest(end); !waiting.empty(); waiting = box.oldest(end)) {
      const uint16_t sent = send_now(waiting, counters);
      if (sent < waiting.size()) {
        counters.drop(Drop::kRingFull, waiting.size() - sent);
        rte_pktmbuf_free_bulk(waiting.data() + sent, static_cast<unsigned>(waiting.size() - sent));
      }
      box.done(waiting.size());
    }
  }
}

uint16_t EthdevTxQueue::send_now(std::span<rte_mbuf*> buffers, PortCounters& counters) const {
  const auto count = static_cast<uint16_t>(buffers.size());
  // Before they are sent: what is sent may be freed at once.
  uint64_t bytes = 0;
  for (const rte_mbuf* buffer : buffers) {
    bytes += buffer->pkt_len;
  }
  const uint16_t sent = rte_eth_tx_burst(device_, queue_, buffers.data(), count);
  for (const rte_mbuf* buffer : buffers.subspan(sent)) {
    bytes -= buffer->pkt_len;
  }
  counters.tx_frames.add(sent);
  counters.tx_bytes.add(bytes);
  return sent;
}

uint64_t EthdevTxQueue::discard() {
  uint64_t frames = 0;
  for (const auto& box : boxes_) {
    const uint32_t end = box->end();
    for (auto waiting = box->oldest(end); !waiting.empty(); waiting = box->oldest(end)) {
      rte_pktmbuf_free_bulk(waiting.data(), static_cast<unsigned>(waiting.size()));
      frames += waiting.size();
      box->done(waiting.size());
    }
  }
  left_.store(0, std::memory_order_relaxed);
  return frames;
}

}  // namespace memswitch
