#include "control/device.h"

#include <rte_eal.h>
#include <rte_ether.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "control/drivers.h"
#include "control/eal.h"
#include "control/netns.h"
#include "control/quiet_signals.h"

namespace memswitch {

namespace {

// A frame of the MTU, and what Ethernet adds: header and up to two VLAN tags.
constexpr uint32_t kOverhead = RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
// Frames of a burst: the buffers of so few stay in the processor's cache, where the driver has just written them. Measured
// against kBurst, a recording to memif: 1.22 times as many frames of 1,450 bytes, 1.05 of 114; with 32 1.18 and 1.00.
constexpr uint32_t kReceived = 64;
constexpr uint64_t kRssFields = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

uint64_t mac_number(const rte_ether_addr& address) {
  uint64_t number = 0;
  for (const uint8_t byte : address.addr_bytes) {
    number = number << 8 | byte;
  }
  return number;
}

rte_ether_addr ether_address(uint64_t number) {
  rte_ether_addr address{};
  for (size_t i = sizeof address.addr_bytes; i-- > 0; number >>= 8) {
    address.addr_bytes[i] = static_cast<uint8_t>(number);
  }
  return address;
}

}  // namespace

// --- opening -------------------------------------------------------------------------------------------------------

bool Device::is_virtual() const {
  return !is_pci_address(name_);
}

Status Device::failed(const std::string& what, int error) const {
  return driver_error(what, name_, error);
}

Status Device::open(const DeviceOptions& options, size_t workers) {
  options_ = options;
  name_ = name_in(options.devargs);
  interrupts_ = is_virtual();
  // The interface under it first, unless it comes of the device.
  using Step = Status (Device::*)();
  constexpr std::array<Step, 2> kFound{&Device::open_interface, &Device::find};
  constexpr std::array<Step, 2> kMade{&Device::find, &Device::open_interface};
  constexpr std::array<Step, 5> kThen{&Device::configure, &Device::fill_pool,
                                      &Device::set_up_queues, &Device::ask_for_interrupts,
                                      &Device::start};
  workers_ = workers;
  const QuietSignals quiet;  // for all: a bonding device sets up its members' queues when it starts
  Status status;
  const auto take = [&](Step step) {
    static_cast<void>(take_eal_log());
    status = (this->*step)();
    return status.ok();
  };
  static_cast<void>(std::ranges::all_of(options.makes_interface ? kMade : kFound, take) &&
                    std::ranges::all_of(kThen, take));
  if (!status.ok()) {
    give_back();
  }
  return status;
}

Status Device::open_interface() {
  if (options_.interface.empty()) {
    return {};
  }
  Status status = Interface::open(options_.interface, options_.mac, options_.mtu, interface_);
  if (status.ok()) {
    // Drivers know the MTU of old, and refuse another than Ethernet's; it is the interface's, and theirs is left alone.
    mtu_ = interface_->mtu();
    options_.mtu = 0;
  }
  if (options_.makes_interface) {
    interface_.reset();  // it may be moved to another namespace from now on
  }
  return status;
}

Status Device::find() {
  if (Status status = members_.open(options_.members); !status.ok()) {
    return status;
  }
  Probed found;
  Status status = probe(options_.devargs + members_.arguments(), found);
  number_ = found.number;
  info_ = found.info;
  device_ = info_.device;
  return status;
}

Status Device::configure() {
  rx_queues_ = std::min(options_.queues, info_.max_rx_queues);
  tx_queues_ = std::min(options_.queues, info_.max_tx_queues);
  chains_ = (info_.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;

  rte_eth_conf conf{};
  conf.rxmode.mtu = options_.mtu;
  const uint32_t longest = std::max<uint32_t>({options_.mtu, mtu_, RTE_ETHER_MTU}) + kOverhead;
  if (longest > room_) {
    if ((info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0 && chains_) {
      conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
    } else {
      room_ = static_cast<uint16_t>(longest);
    }
  }
  if (const uint64_t fields = info_.flow_type_rss_offloads & kRssFields;
      rx_queues_ > 1 && fields != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = fields;
  }
  // On at first, because some can't turn it on later, and functions of a card whose driver filters for them have no choice.
  can_filter_ = !is_virtual() && (info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
  if (can_filter_) {
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
  }
  checks_ = checks_receive();
  if (checks_) {
    conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
  }
  conf.txmode.offloads =
      info_.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MT_LOCKFREE |
                               RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
  conf.intr_conf.lsc = (*info_.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
  conf.intr_conf.rmv = (*info_.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
  conf.intr_conf.rxq = interrupts_;
  if (const int error = rte_eth_dev_configure(number_, rx_queues_, tx_queues_, &conf); error != 0) {
    return failed("cannot configure", error);
  }

  rx_descriptors_ = tx_descriptors_ = options_.ring_size;
  const int error = rte_eth_dev_adjust_nb_rx_tx_desc(number_, &rx_descriptors_, &tx_descriptors_);
  return error == 0 ? Status{} : failed("cannot size the queues of", error);
}

// For tunnels over it. Virtual devices would do it in software, whether somebody wants to know or not (net_tap), and paravirtual
// ones bring frames with unfinished checksums in return, which must not leave by another device.
bool Device::checks_receive() const {
  constexpr uint64_t kBoth = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
  const std::string_view driver = info_.driver_name == nullptr ? "" : info_.driver_name;
  return (info_.rx_offload_capa & kBoth) == kBoth && !is_virtual() && driver != "net_virtio" &&
         driver != "net_vmxnet3";
}

Status Device::fill_pool() {
  const uint32_t descriptors = static_cast<uint32_t>(rx_queues_) * rx_descriptors_ +
                               static_cast<uint32_t>(tx_queues_) * tx_descriptors_;
  const int node = rte_eal_has_hugepages() ? rte_eth_dev_socket_id(number_) : SOCKET_ID_ANY;
  return pools_.make({.descriptors = descriptors, .workers = workers_, .room = room_, .node = node},
                     pool_);
}

Status Device::set_up_queues() {
  for (uint16_t q = 0; q < rx_queues_; ++q) {
    if (const int error =
            rte_eth_rx_queue_setup(number_, q, rx_descriptors_, SOCKET_ID_ANY, nullptr, pool_);
        error != 0) {
      return failed("cannot set up a receive queue of", error);
    }
  }
  for (uint16_t q = 0; q < tx_queues_; ++q) {
    if (const int error =
            rte_eth_tx_queue_setup(number_, q, tx_descriptors_, SOCKET_ID_ANY, nullptr);
        error != 0) {
      return failed("cannot set up a transmit queue of", error);
    }
  }
  return {};
}

// Whether a driver has receive interrupts shows only once there is a queue, and must be said before. Some that have none
// misconfigure the device when they are asked for them.
Status Device::ask_for_interrupts() {
  if (interrupts_ || rte_eth_dev_rx_intr_enable(number_, 0) == -ENOTSUP) {
    return {};
  }
  rte_eth_dev_rx_intr_disable(number_, 0);
  interrupts_ = true;
  Status status = configure();
  return status.ok() ? set_up_queues() : status;
}

Status Device::start() {
  // Some have no MTU beside the one they were configured with.
  if (const int error = options_.mtu == 0 ? 0 : rte_eth_dev_set_mtu(number_, options_.mtu);
      error != 0 && error != -ENOTSUP) {
    return failed("cannot set the MTU of", error);
  }
  if (const int error = rte_eth_dev_start(number_); error != 0) {
    return failed("cannot start", error);
  }
  if (Status status = choose_frames(); !status.ok()) {
    return status;
  }
  if (mtu_ == 0) {
    rte_eth_dev_get_mtu(number_, &mtu_);
  }
  const uint32_t longest = mtu_ + kOverhead;
  set_path({.device = number_,
            .tx_queues = tx_queues_,
            .workers = workers_,
            .shares_queues = (info_.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MT_LOCKFREE) != 0,
            .chains = chains_,
            .pads = !is_virtual(),
            .checksums = (info_.tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0,
            .longest = chains_ ? longest : std::min<uint32_t>(longest, room_),
            .pool = pool_});
  filter(nullptr);
  make_queues();
  listen(true);
  static_cast<void>(state());
  return {};
}

// A bridge wants frames to anybody. A device that may not be promiscuous, as many virtual functions, takes those to any group,
// and to as many stations as it has filters for.
Status Device::choose_frames() {
  promiscuous_ = options_.promiscuous && rte_eth_promiscuous_enable(number_) == 0;
  if (!promiscuous_) {
    rte_eth_allmulticast_enable(number_);
  }
  for (const uint64_t number : options_.addresses) {
    rte_ether_addr address = ether_address(number);
    if (const int error = rte_eth_dev_mac_addr_add(number_, &address, 0); error != 0) {
      return error == -ENOSPC ? refuse(Code::kLimit, name_ + " has filters for " +
                                                         std::to_string(info_.max_mac_addrs) +
                                                         " addresses, its own among them")
                              : failed("cannot set the filters of", error);
    }
  }
  return {};
}

// Tags stay in the frames: a bridge goes by them, and puts them on and takes them off in the bytes that it writes anyway
// (dataplane/vlan.h). What a device can spare us is frames of VLANs that the port does not carry. A virtual function often gets
// none with a tag that it has not asked for; and for how many it may ask is up to its card (an 82576 has 32 places).
void Device::filter(const Vlans* vlans) {
  if (!can_filter_ || device_ == nullptr || gone()) {
    return;
  }
  filters_ = rte_eth_dev_set_vlan_offload(number_, vlans ? RTE_ETH_VLAN_FILTER_OFFLOAD : 0) != 0 ||
             vlans != nullptr;
  Vlans let_in;
  refused_vlans_ = 0;
  for (uint16_t vlan = 1; vlan <= kMaxVlan; ++vlan) {
    const bool had = tags_.tags(vlan);
    const bool wanted = vlans != nullptr && vlans->tags(vlan);
    // After the first one that there was no place for the others are not tried: each may take the card a millisecond.
    const bool done = had == wanted ||
                      (refused_vlans_ == 0 && rte_eth_dev_vlan_filter(number_, vlan, wanted) == 0);
    if (done ? wanted : had) {
      let_in.add(vlan);
    }
    if (!done && wanted) {
      ++refused_vlans_;
    }
  }
  tags_ = let_in;
  restore_tags();
  // What it can't tell apart it may let in as a whole, if it is able to.
  if (refused_vlans_ > 0 && rte_eth_dev_set_vlan_offload(number_, 0) == 0) {
    filters_ = false;
    refused_vlans_ = 0;
  }
}

// The driver of an 82576 (igb of Linux) has tags taken off from a function as soon as that asks for one. Of a function that is in a
// VLAN as a whole they are taken off too, and must not come back; but such a one may not ask.
void Device::restore_tags() {
  const bool asked = tags_.any();
  for (const auto& queue : rx_) {
    queue->set_restores_tags(asked);
  }
}

void Device::make_queues() {
  // Beyond its first buffer; a chain that is longer than the MTU allows is told as too long.
  const uint32_t pieces = (mtu_ + kOverhead - 1) / room_;
  const auto most = static_cast<uint16_t>(
      std::min<uint32_t>(kReceived, pieces == 0 ? kReceived : kBurstSegments / pieces));
  for (uint16_t q = 0; q < rx_queues_; ++q) {
    EthdevRxPath path{.device = number_, .queue = q, .most = most, .checks = checks_};
    choose_wake(path);
    rx_.push_back(std::make_unique<EthdevRxQueue>(*this, path));
    queues_.push_back(rx_.back().get());
  }
}

void Device::choose_wake(EthdevRxPath& path) const {
  path.fd = rte_eth_dev_rx_intr_ctl_q_get_fd(number_, path.queue);
  if (path.fd >= 0) {
    const int error = rte_eth_dev_rx_intr_enable(number_, path.queue);
    if (error == 0) {
      rte_eth_dev_rx_intr_disable(number_, path.queue);
      path.wake = Wake::kInterrupt;
      return;
    }
    if (error == -ENOTSUP && is_virtual()) {
      path.wake = Wake::kDescriptor;  // net_tap
      return;
    }
  }
  path.fd = -1;
  path.wake = Wake::kTimer;
}

// A worker may sleep as long as it takes the fastest sender of the shortest frames (84 bytes on the wire) to fill half of a
// receive ring; with an unknown speed not at all. A virtual device keeps some hundred frames in its kernel or peer.
uint32_t Device::longest_nap_us(uint32_t speed) const {
  constexpr uint32_t kVirtualNap_us = 800;
  constexpr uint32_t kFrame_bits = 84 * 8;
  if (is_virtual()) {
    return kVirtualNap_us;
  }
  return speed == 0 ? 0 : rx_descriptors_ * kFrame_bits / speed / 2;
}

// --- what it tells -------------------------------------------------------------------------------------------------

void Device::alarm() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(alarm_fd_, &one, sizeof one);
}

int Device::on_link(uint16_t, rte_eth_event_type, void* device, void*) {
  static_cast<Device*>(device)->link_interrupts_.fetch_add(1, std::memory_order_relaxed);
  static_cast<Device*>(device)->alarm();
  return 0;
}

int Device::on_removal(uint16_t, rte_eth_event_type, void* device, void*) {
  static_cast<Device*>(device)->gone_.store(true, std::memory_order_release);
  static_cast<Device*>(device)->alarm();
  return 0;
}

// The kernel wants a device of vfio-pci back, because somebody unbinds it; it waits until we let go.
void Device::on_request(const char*, rte_dev_event_type event, void* device) {
  if (event == RTE_DEV_EVENT_REMOVE) {
    on_removal(0, RTE_ETH_EVENT_INTR_RMV, device, nullptr);
  }
}

void Device::listen(bool on) {
  const auto ethdev = on ? rte_eth_dev_callback_register : rte_eth_dev_callback_unregister;
  const auto dev = on ? rte_dev_event_callback_register : rte_dev_event_callback_unregister;
  ethdev(number_, RTE_ETH_EVENT_INTR_LSC, on_link, this);
  ethdev(number_, RTE_ETH_EVENT_INTR_RMV, on_removal, this);
  dev(rte_dev_name(device_), on_request, this);
  // A member goes with all of them: only so is it let go when the kernel wants it back.
  for (const Probed& member : members_.all()) {
    ethdev(member.number, RTE_ETH_EVENT_INTR_RMV, on_removal, this);
    dev(rte_dev_name(member.info.device), on_request, this);
  }
}

DeviceState Device::state() {
  DeviceState state{.mtu = mtu_,
                    .queues = rx_queues_,
                    .ring_size = rx_descriptors_,
                    .promiscuous = promiscuous_,
                    .checks_rx = checks_,
                    .fills_tx = finishes_checksums,
                    .filters_vlans = filters_,
                    .refused_vlans = refused_vlans_,
                    .link_interrupts = link_interrupts_.load(std::memory_order_relaxed),
                    .name = name_,
                    .driver = info_.driver_name == nullptr ? "" : info_.driver_name};
  if (device_ == nullptr || gone()) {
    set_up(false);
    return state;
  }
  rte_eth_link link{};
  rte_ether_addr mac{};
  state.link = rte_eth_link_get_nowait(number_, &link) == 0 && link.link_status != 0;
  if (interface_) {
    const Interface::State below = interface_->state();
    state.link = state.link && below == Interface::State::kUp;
    gone_.store(below == Interface::State::kGone);
  }
  state.speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
  rte_eth_macaddr_get(number_, &mac);
  state.mac = mac_number(mac);
  state.numa = static_cast<int16_t>(rte_eth_dev_socket_id(number_));
  for (const auto& queue : rx_) {
    queue->set_longest_nap(longest_nap_us(state.speed));
    state.wake = queue->wake();
  }
  set_up(state.link);
  return state;
}

DeviceStatistics Device::statistics() const {
  const int count = device_ == nullptr ? 0 : rte_eth_xstats_get_names(number_, nullptr, 0);
  if (count <= 0) {
    return {};
  }
  const auto size = static_cast<unsigned>(count);
  std::vector<rte_eth_xstat_name> names(size);
  std::vector<rte_eth_xstat> values(size);
  if (rte_eth_xstats_get_names(number_, names.data(), size) != count ||
      rte_eth_xstats_get(number_, values.data(), size) != count) {
    return {};
  }
  DeviceStatistics list;
  for (const rte_eth_xstat& value : values) {
    list.emplace_back(names[value.id].name, value.value);
  }
  return list;
}

// --- closing -------------------------------------------------------------------------------------------------------

uint64_t Device::close() {
  if (device_ == nullptr) {
    return 0;
  }
  const std::lock_guard guard(lock_);
  set_up(false);
  listen(false);
  // In its namespace, where its driver's requests to the kernel belong; it may be gone already.
  uint64_t unsent = 0;
  const auto give = [this, &unsent] {
    unsent += give_back();
    return Status{};
  };
  if (!in_namespace(options_.netns, give).ok()) {
    unsent += give_back();
  }
  return unsent;
}

uint64_t Device::give_back() {
  const uint64_t unsent = discard();
  for (const auto& queue : rx_) {
    queue->close();
  }
  if (device_ != nullptr) {
    rte_eth_dev_stop(number_);
    rte_eth_dev_close(number_);
    rte_dev_remove(device_);
    device_ = nullptr;
  }
  members_.close();
  interface_.reset();
  if (pool_ != nullptr) {
    pools_.retire(std::exchange(pool_, nullptr));
  }
  return unsent;
}

}  // namespace memswitch
