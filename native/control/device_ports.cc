#include "control/device_ports.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace memswitch {

// DPDK is started and the device opened with the lock held: both are rare, and poll threads never wait for it.
Status DevicePorts::add(const DeviceOptions& options, const Home& home,
                        std::unique_ptr<Port>& port) {
  Dpdk* dpdk = nullptr;
  if (Status status = load_dpdk(dpdk); !status.ok()) {
    return status;
  }
  std::unique_ptr<DevicePort> device;
  // Workers may still come, up to one a CPU.
  const size_t workers = std::max<size_t>(workers_.size(), std::thread::hardware_concurrency());
  Status status =
      dpdk->open(options, home.id, home.bridge, home.mac_limit, workers, alarm_fd_, device);
  return status.ok() ? take(std::move(device), home, port) : status;
}

Status DevicePorts::add(const TapOptions& options, const Home& home, std::unique_ptr<Port>& port) {
  std::unique_ptr<DevicePort> device;
  Status status = open_tap_port(options, home.id, home.bridge, home.mac_limit, alarm_fd_, device);
  return status.ok() ? take(std::move(device), home, port) : status;
}

Status DevicePorts::add(const VethOptions& options, const Home& home, std::unique_ptr<Port>& port) {
  std::unique_ptr<DevicePort> device;
  Status status = open_veth_port(options, home.id, home.bridge, home.mac_limit, alarm_fd_, device);
  return status.ok() ? take(std::move(device), home, port) : status;
}

Status DevicePorts::take(std::unique_ptr<DevicePort> device, const Home& home,
                         std::unique_ptr<Port>& port) {
  for (RxQueue* queue : device->queues()) {
    queue->polling = home.polling;
  }
  if (!workers_.add(device->queues(), {.node = device->state().numa, .workers = home.workers})) {
    reclaim_.retire(std::move(device));
    return refuse(Code::kLimit, "the workers have too many queues");
  }
  devices_[home.id] = {.device = device.get()};
  port = std::move(device);
  return {};
}

bool DevicePorts::is_up(PortId id) const {
  const auto found = devices_.find(id);
  return found != devices_.end() && found->second.state.link;
}

DeviceStatistics DevicePorts::statistics(PortId id) const {
  return devices_.at(id).device->statistics();
}

std::vector<DevicePorts::Change> DevicePorts::look() {
  std::vector<Change> changes;
  for (auto& [id, entry] : devices_) {
    if (entry.released) {
      continue;
    }
    const bool before = entry.state.link;
    DeviceState now = entry.device->state();
    const bool gone = entry.device->gone();
    now.link = now.link && !gone;  // asked before it went
    entry.state = std::move(now);
    if (gone) {
      changes.push_back({id, false, true, "the device has gone away"});
    } else if (entry.state.link != before) {
      changes.push_back({id, entry.state.link, false,
                         entry.state.link ? entry.state.name : "the device's link is down"});
    }
  }
  return changes;
}

void DevicePorts::filter(PortId id, const Vlans* vlans) {
  const auto found = devices_.find(id);
  if (found != devices_.end() && !found->second.released) {
    found->second.device->filter(vlans);
  }
}

void DevicePorts::release(PortId id) {
  Entry& entry = devices_.at(id);
  if (std::exchange(entry.released, true)) {
    return;
  }
  workers_.remove(entry.device->queues());
  // No worker writes to its counters any more.
  reclaim_.later([this, id, device = entry.device] {
    workers_.port_counters(0)[id].drop(Drop::kLinkDown, device->close());
  });
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (reclaim_.run(), !reclaim_.empty() && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

}  // namespace memswitch
