// A transmit queue of a device. A device's driver lets one thread send by a queue at a time, and workers share the queue when
// they are more than the queues. None of them waits for another: who finds the queue taken leaves its frames beside it, in a
// box of its own, and goes on; whoever has the queue sends what lies in the boxes, before its own frames and after them. What is
// left just after that last look goes with the next burst, or when the worker that left it settles (dataplane/unsettled.h).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "tables/limits.h"

namespace memswitch {

class EthdevTxQueue {
 public:
  // `workers` may send by it, by their numbers from 0 on. `takes_turns`: the driver wants one thread at a time.
  EthdevTxQueue(uint16_t device, uint16_t queue, size_t workers, bool takes_turns);
  EthdevTxQueue(const EthdevTxQueue&) = delete;
  EthdevTxQueue& operator=(const EthdevTxQueue&) = delete;
  ~EthdevTxQueue() { discard(); }

  struct Sent {
    uint16_t frames;  // the first: sent and counted, or left, and counted by who sends them
    Drop reason;      // why the rest, which stays the caller's, was not taken
  };
  Sent send(std::span<rte_mbuf*> buffers, uint16_t worker, PortCounters& counters);
  // Sends what was left. False: the queue is taken just now, and something may still lie there.
  bool settle(PortCounters& counters);
  // Control, when no worker can be in it any more: gives back what was left, and returns how many frames.
  uint64_t discard();

 private:
  // Frames that one worker leaves, and whoever has the queue takes.
  class alignas(64) Box {
   public:
    // As many of the first ones as it has room for.
    uint16_t leave(std::span<rte_mbuf* const> buffers);
    // All that were ever left, a number.
    [[nodiscard]] uint32_t end() const { return left_.load(std::memory_order_acquire); }
    // The oldest that lie together, of those before `end`; done() with them afterwards. Empty: there are none.
    std::span<rte_mbuf*> oldest(uint32_t end);
    void done(size_t count);

   private:
    static constexpr uint32_t kRoom = 4 * kBurst;

    std::atomic<uint32_t> left_{0};  // so many ever
    alignas(64) std::atomic<uint32_t> taken_{0};
    std::array<rte_mbuf*, kRoom> room_;
  };

  bool take();
  void give_back() { is_taken_.store(false, std::memory_order_release); }
  void send_left(PortCounters& counters);
  uint16_t send_now(std::span<rte_mbuf*> buffers, PortCounters& counters) const;

  const uint16_t device_;
  const uint16_t queue_;
  const bool takes_turns_;
  std::vector<std::unique_ptr<Box>> boxes_;  // by worker; none where no turns are taken
  alignas(64) std::atomic<bool> is_taken_{false};
  alignas(64) std::atomic<uint64_t> left_{0};  // workers whose boxes may hold something, a bit each
  static_assert(kMaxWorkers <= 64);
};

}  // namespace memswitch
