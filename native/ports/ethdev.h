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
#include "ports/tx_turn.h"

namespace memswitch {

// How a queue wakes a worker that sleeps.
enum class Wake : uint8_t {
  kNever,       // it can't: the worker goes on polling
  kInterrupt,   // the driver unmasks an interrupt, which the kernel turns into an eventfd
  kDescriptor,  // frames wait in a descriptor, which is readable as long as they do
  kTimer,       // nobody tells, but nothing is lost by looking a moment later
};

class EthdevRxQueue final : public RxQueue {
 public:
  // `most`: frames at once, so that the pieces of the longest all have room in a burst. `fd`: what wakes, of an interrupt or
  // a descriptor; it stays the driver's.
  EthdevRxQueue(Port& port, uint16_t device, uint16_t queue, uint16_t most, Wake wake, int fd);

  bool receive(Burst& burst) override;
  void release(const Burst& burst) override;
  bool arm() override;
  void disarm() override;
  [[nodiscard]] int wake_fd() const override { return timer_ ? timer_.get() : fd_; }

 private:
  // A virtual device keeps some hundred frames in its kernel or peer, as much as comes in such a time at a fair rate.
  static constexpr uint32_t kFirstNap_us = 50;
  static constexpr uint32_t kLongestNap_us = 800;

  const uint16_t device_;
  const uint16_t queue_;
  const uint16_t most_;
  const Wake wake_;
  const int fd_;
  UniqueFd timer_;
  uint32_t nap_us_ = kFirstNap_us;  // doubles as long as nothing comes
};

struct EthdevBatch;

// What the data path knows of the device; fixed while it is open.
struct EthdevPath {
  uint16_t device = 0;  // DPDK's number of it
  uint16_t tx_queues = 1;
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

 protected:
  // Control. Before the first frame, and never again.
  void set_path(const EthdevPath& path);
  void set_up(bool up) { up_.store(up, std::memory_order_release); }

 private:
  void prepare(EthdevBatch& batch, Burst& burst, std::span<const uint8_t> which,
               PortCounters& counters);
  void send(EthdevBatch& batch, Burst& burst, uint16_t queue, PortCounters& counters);

  EthdevPath path_;
  std::vector<std::unique_ptr<TxTurn>> turns_;
  std::atomic<bool> up_{false};
};

}  // namespace memswitch
