// A port over a TAP interface of the Linux kernel, by system calls alone: what a container gets that knows the kernel only.
// It needs no DPDK, no huge pages and no thread; one system call moves one frame, which is the kernel's price for it.
//
// The port holds the interface by an open file, so that the interface may be moved to another network namespace, renamed
// and given addresses by whoever runs the container. An interface whose port has gone stays, without carrier, if it is
// persistent: a switch that comes back takes it up again, with the addresses and routes that it has.
//
// Offloads (IFF_VNET_HDR) are not asked for. The most that segmentation could give between two TAPs is what an MTU of 65,000
// does: 18.6 Gbit/s of TCP, where 1,500 gives 5.7 and 9,000 gives 9.3 (two CPUs). But such frames, and checksums that nobody
// has finished, would need a mark in every frame, and for every other kind of port the poll thread would have to cut and
// finish them. Who wants it sets the MTU.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "memif/fd.h"
#include "ports/device.h"

namespace memswitch {

class TapPort;

class TapRxQueue final : public RxQueue {
 public:
  TapRxQueue(TapPort& port, int fd);

  bool receive(Burst& burst) override;
  // The next receive() writes over them.
  void release(const Burst&) override {}
  bool arm() override;
  void disarm() override {}
  [[nodiscard]] int wake_fd() const override { return fd_; }

 private:
  static constexpr size_t kLongest = kMaxFrame;
  // Not a power of two: else the first lines of all buffers would meet in the same sets of the cache.
  static constexpr size_t kStride = 65536 + 192;

  TapPort& tap_;
  const int fd_;
  std::unique_ptr<std::byte[]> buffers_;  // a page of them is the kernel's until a frame was in it
};

class TapPort : public DevicePort {
 public:
  // `fd`: of /dev/net/tun, attached to an interface without packet information, not blocking. `alarm_fd`, an eventfd, is
  // written to when the interface is found up, or gone.
  TapPort(PortId id, Bridge* home, uint32_t mac_limit, UniqueFd fd, uint16_t mtu, int alarm_fd);

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                PortCounters& counters) override;

  [[nodiscard]] std::span<RxQueue* const> queues() const override { return queues_; }
  DeviceState state() override;
  [[nodiscard]] DeviceStatistics statistics() const override { return {}; }
  [[nodiscard]] bool gone() const override { return gone_.load(std::memory_order_acquire); }
  uint64_t close() override {
    fd_.reset();
    return 0;
  }

 protected:
  // Poll threads: what a system call has shown of the interface.
  void found_up();
  [[nodiscard]] bool seen_up() const { return up_.load(std::memory_order_relaxed); }

  void set_up(bool up) { up_.store(up, std::memory_order_relaxed); }
  void set_gone() { gone_.store(true); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] uint16_t mtu() const { return mtu_; }

 private:
  friend class TapRxQueue;

  void found_gone();
  [[nodiscard]] Drop failed(int error);
  void alarm() const;

  UniqueFd fd_;
  const uint16_t mtu_;
  const int alarm_fd_;
  std::atomic<bool> up_{false};
  std::atomic<bool> gone_{false};
  TapRxQueue queue_;
  RxQueue* const all_[1];
  std::span<RxQueue* const> queues_;
};

}  // namespace memswitch
