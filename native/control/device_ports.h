// Ports over devices, of any kind: their queues are handed to the workers and taken back, their links watched, for those
// come and go without a handshake. All under the switch's lock.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "control/dpdk.h"
#include "control/reclaim.h"
#include "control/status.h"
#include "control/tap.h"
#include "control/veth.h"
#include "control/workers.h"
#include "ports/device.h"

namespace memswitch {

class DevicePorts {
 public:
  DevicePorts(Workers& workers, Reclaim& reclaim, int alarm_fd)
      : workers_(workers), reclaim_(reclaim), alarm_fd_(alarm_fd) {}

  // What a port of any kind has besides.
  struct Home {
    PortId id = kNoPort;
    Bridge* bridge = nullptr;
    uint32_t mac_limit = 0;
    std::optional<Polling> polling{};
    std::vector<uint16_t> workers{};  // that poll its queues; empty: by rule
  };

  // Opens the device and gives its queues to the workers; its link is down until look() finds it up.
  Status add(const DeviceOptions& options, const Home& home, std::unique_ptr<Port>& port);
  Status add(const TapOptions& options, const Home& home, std::unique_ptr<Port>& port);
  Status add(const VethOptions& options, const Home& home, std::unique_ptr<Port>& port);

  [[nodiscard]] bool contains(PortId id) const { return devices_.contains(id); }
  [[nodiscard]] bool is_up(PortId id) const;
  [[nodiscard]] const DeviceState& state(PortId id) const { return devices_.at(id).state; }
  [[nodiscard]] DeviceStatistics statistics(PortId id) const;

  struct Change {
    PortId port;
    bool up;
    bool gone;         // for good: release() it
    std::string text;  // the device's name, or why the link is down
  };
  // Asks all of them, and returns those whose links have changed.
  std::vector<Change> look();

  // As DevicePort::filter(). Of a port of another kind: nothing.
  void filter(PortId id, const Vlans* vlans);
  void set_down(PortId id) { devices_.at(id).state.link = false; }
  // Out of the workers' hands; nobody may find the port any more. When this returns the device is free: somebody may be
  // waiting to use it otherwise. The port itself stays its owner's.
  void release(PortId id);
  // The port is about to be deleted.
  void forget(PortId id) { devices_.erase(id); }

 private:
  // For the workers to leave a device; they take a burst's time.
  static constexpr auto kPatience = std::chrono::seconds(2);

  struct Entry {
    DevicePort* device;
    DeviceState state{};
    bool released = false;
  };

  Status take(std::unique_ptr<DevicePort> device, const Home& home, std::unique_ptr<Port>& port);

  Workers& workers_;
  Reclaim& reclaim_;
  const int alarm_fd_;
  std::map<PortId, Entry> devices_;
};

}  // namespace memswitch
