// One Ethernet device that DPDK drives: found by its devargs, configured, started, watched, and given back.
#pragma once

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <memory>
#include <mutex>
#include <vector>

#include "control/bond_members.h"
#include "control/buffers.h"
#include "control/interface.h"
#include "dataplane/vlan.h"
#include "ports/ethdev.h"

namespace memswitch {

class Device final : public EthdevPort {
 public:
  // What guards `pools` guards whatever DPDK does not: finding, making and closing devices.
  Device(PortId id, Bridge* home, uint32_t mac_limit, std::mutex& lock, Pools& pools, int alarm_fd)
      : EthdevPort(id, home, mac_limit), lock_(lock), pools_(pools), alarm_fd_(alarm_fd) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() override { close(); }

  // With the lock held.
  Status open(const DeviceOptions& options, size_t workers);

  [[nodiscard]] std::span<RxQueue* const> queues() const override { return queues_; }
  DeviceState state() override;
  void filter(const Vlans* vlans) override;
  [[nodiscard]] DeviceStatistics statistics() const override;
  [[nodiscard]] bool gone() const override { return gone_.load(std::memory_order_acquire); }
  uint64_t close() override;

 private:
  Status open_interface();
  Status find();
  Status configure();
  [[nodiscard]] bool checks_receive() const;
  Status fill_pool();
  Status set_up_queues();
  Status ask_for_interrupts();
  Status start();
  Status choose_frames();
  void restore_tags();
  void make_queues();
  void choose_wake(EthdevRxPath& path) const;
  [[nodiscard]] uint32_t longest_nap_us(uint32_t speed) const;
  void listen(bool on);
  uint64_t give_back();
  // On one of DPDK's threads.
  void alarm();
  static int on_link(uint16_t, rte_eth_event_type, void* device, void*);
  static int on_removal(uint16_t, rte_eth_event_type, void* device, void*);
  static void on_request(const char*, rte_dev_event_type event, void* device);

  [[nodiscard]] Status failed(const std::string& what, int error) const;
  [[nodiscard]] bool is_virtual() const;

  std::mutex& lock_;
  Pools& pools_;
  const int alarm_fd_;
  DeviceOptions options_;
  std::string name_;
  BondMembers members_;
  rte_device* device_ = nullptr;  // probed; null: closed
  uint16_t number_ = RTE_MAX_ETHPORTS;
  rte_eth_dev_info info_{};
  size_t workers_ = 1;  // that may use it
  uint16_t mtu_ = 0;
  uint16_t rx_queues_ = 0;
  uint16_t tx_queues_ = 0;
  uint16_t rx_descriptors_ = 0;
  uint16_t tx_descriptors_ = 0;
  uint16_t room_ = RTE_MBUF_DEFAULT_DATAROOM;
  bool interrupts_ = false;  // asked for
  bool chains_ = false;
  bool checks_ = false;      // UDP checksums that come in
  bool can_filter_ = false;  // by VLAN
  bool filters_ = false;     // just now
  Vlans tags_{};             // that it was told to let in
  uint16_t refused_vlans_ = 0;
  bool promiscuous_ = false;
  std::unique_ptr<Interface> interface_;  // under it, if any
  rte_mempool* pool_ = nullptr;           // of `pools_`
  std::vector<std::unique_ptr<EthdevRxQueue>> rx_;
  std::vector<RxQueue*> queues_;
  std::atomic<bool> gone_{false};
  std::atomic<uint32_t> link_interrupts_{0};
};

}  // namespace memswitch
