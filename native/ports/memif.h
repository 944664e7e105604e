// A memif port: the way between the switch and one container's rings. While a peer is attached the port has a link,
// which owns the peer's memory; control makes it after the handshake, and frees it when every worker has passed.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "memif/link.h"
#include "memif/ring.h"
#include "ports/ip_mode.h"
#include "ports/port.h"
#include "ports/tx_turn.h"

namespace memswitch {

class MemifLink;

class MemifRxQueue final : public RxQueue {
 public:
  MemifRxQueue(Port& port, MemifLink& link, const memif::Ring& ring,
               const std::optional<IpStation>& station)
      : RxQueue(port), link_(link), ring_(ring) {
    if (station) {
      ip_.emplace(*station);
    }
  }

  bool receive(Burst& burst) override;
  void release(const Burst& burst) override;
  bool arm() override;
  void disarm() override;
  [[nodiscard]] int wake_fd() const override { return ring_.doorbell; }

 private:
  MemifLink& link_;
  memif::Ring ring_;
  std::optional<IpMode> ip_;
};

// A transmit ring. Workers share it when they are more than the rings; then it is taken for a whole burst.
struct alignas(64) MemifTxQueue {
  explicit MemifTxQueue(const memif::Ring& r, const std::optional<IpStation>& station) : ring(r) {
    if (station) {
      ip.emplace(*station);
    }
  }
  memif::Ring ring;
  std::optional<IpMode> ip;
  TxTurn turn;
  std::atomic<bool> unrung{
      false};  // sent to, and the peer did not ask to be woken as far as we saw
};

class MemifLink {
 public:
  // `alarm_fd`, an eventfd, is written to when a worker finds a fault. `station`: of a port of mode ip.
  MemifLink(Port& port, memif::Link link, int alarm_fd,
            const std::optional<IpStation>& station = std::nullopt);

  // Sends like Port::transmit.
  void transmit(Burst& burst, std::span<const uint8_t> which, PortCounters& counters);
  // Wakes the peer like Port::settle.
  void settle();
  // Control: wakes the peer where it sleeps at a ring, whoever sent what lies in it.
  void wake_peer();

  // Poll threads. The first fault counts; from then on the link moves nothing.
  void fail(memif::Fault fault);
  [[nodiscard]] memif::Fault fault() const { return fault_.load(std::memory_order_acquire); }
  // Control: fails the link if memory of it has vanished.
  void look_for_losses();

  [[nodiscard]] const memif::RegionTable& regions() const { return regions_; }
  [[nodiscard]] const std::vector<std::unique_ptr<MemifRxQueue>>& rx() const { return rx_; }
  [[nodiscard]] uint16_t ring_size() const { return tx_[0]->ring.size; }
  [[nodiscard]] uint16_t queues() const {
    return static_cast<uint16_t>(std::min(rx_.size(), tx_.size()));
  }
  [[nodiscard]] const std::string& peer() const { return link_.peer; }
  [[nodiscard]] const memif::Link& memory() const { return link_; }

 private:
  // The lines of these are read for every burst and written about never: apart from the queues'.
  const Port& port_;
  memif::Link link_;
  std::vector<memif::RegionView> views_;
  memif::RegionTable regions_{};
  int alarm_fd_;
  std::atomic<memif::Fault> fault_{memif::Fault::kNone};
  std::vector<std::unique_ptr<MemifRxQueue>> rx_;
  std::vector<std::unique_ptr<MemifTxQueue>> tx_;
};

std::vector<RxQueue*> queues_of(const MemifLink& link);

class MemifPort final : public Port {
 public:
  using Port::Port;

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                PortCounters& counters) override;
  bool settle(uint16_t worker, PortCounters& counters) override;

  // Control: the link in use, or null. The old one must outlive every worker's current burst.
  std::atomic<MemifLink*> link{nullptr};
};

}  // namespace memswitch
