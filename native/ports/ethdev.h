// The way of frames between the switch and a device that DPDK drives. A frame that came from one device and leaves by
// another changes hands as the buffer it lies in (an mbuf), uncopied; all else is copied once, into a buffer of the
// device it leaves by.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "memif/fd.h"
#include "ports/device.h"
#include "ports/ethdev_tx_queue.h"

namespace memswitch {

// What is known of a receive queue when it is made.
struct EthdevRxPath {
  uint16_t device = 0;  // DPDK's number of it
  uint16_t queue = 0;
  uint16_t most = kBurst;  // frames at once: the pieces of the longest all have room in a burst
  bool checks = false;     // the device checks UDP checksums
  Wake wake = Wake::kNever;
  int fd = -1;  // that wakes, of an interrupt or a descriptor; it stays the driver's
};

class EthdevRxQueue final : public RxQueue {
 public:
  EthdevRxQueue(Port& port, const EthdevRxPath& path);

  // Control.
  // Whether to put back the tags of VLANs that the device takes off: the card of a function may do so unasked.
  void set_restores_tags(bool restores) {
    restores_tags_.store(restores, std::memory_order_relaxed);
  }
  void set_longest_nap(uint32_t us) { longest_nap_us_.store(us, std::memory_order_relaxed); }
  [[nodiscard]] Wake wake() const;
  // When no worker can be in it any more: gives back what was found before a sleep and not taken.
  void close();

  bool receive(Burst& burst) override;
  void release(const Burst& burst) override;
  bool arm() override;
  void disarm() override;
  [[nodiscard]] int wake_fd() const override { return timer_ ? timer_.get() : path_.fd; }

 private:
  bool find();

  static constexpr uint32_t kFirstNap_us = 50;  // a shorter one is not worth its system calls
  static constexpr uint16_t kFound =
      32;  // as few as the pickiest of drivers receives (ixgbe's by vectors)

  const EthdevRxPath path_;
  UniqueFd timer_;
  std::atomic<uint32_t> longest_nap_us_{0};
  std::atomic<bool> restores_tags_{false};
  uint32_t nap_us_ = kFirstNap_us;  // doubles as long as nothing comes
  uint16_t found_count_ = 0;
  std::array<rte_mbuf*, kFound> found_;  // before a sleep: the next burst begins with them
};

struct EthdevBatch;

// What the data path knows of the device; fixed while it is open.
struct EthdevPath {
  uint16_t device = 0;  // DPDK's number of it
  uint16_t tx_queues = 1;
  size_t workers = 1;          // that may send
  bool shares_queues = false;  // the device takes bursts of several threads at once (MT_LOCKFREE)
  bool chains = false;         // and frames in several buffers (MULTI_SEGS)
  bool pads = false;       // a wire is behind it: frames have at least 60 bytes (IEEE 802.3 3.2.8)
  bool checksums = false;  // it fills in UDP checksums (UDP_CKSUM)
  uint32_t longest = 0;    // frame; without chains it fits one buffer of the pool
  rte_mempool* pool = nullptr;
};

class EthdevPort : public DevicePort {
 public:
  using DevicePort::DevicePort;

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                PortCounters& counters) final;
  bool settle(uint16_t worker, PortCounters& counters) final;

 protected:
  // Control. Before the first frame, and never again.
  void set_path(const EthdevPath& path);
  void set_up(bool up) { up_.store(up, std::memory_order_release); }
  // When no worker can be in it any more: gives back what is still to be sent, and returns how many frames.
  uint64_t discard();

 private:
  void prepare(EthdevBatch& batch, Burst& burst, std::span<const uint8_t> which,
               PortCounters& counters);

  EthdevPath path_;
  std::vector<std::unique_ptr<EthdevTxQueue>> tx_;
  std::atomic<bool> up_{false};
};

}  // namespace memswitch
