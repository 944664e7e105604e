// A port over an Ethernet device, as the switch sees it. What drives the device lives in a shared object of its own,
// which is loaded with the first such port (control/dpdk.h): the switch itself needs no DPDK.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ports/port.h"

namespace memswitch {

class Vlans;

struct DeviceOptions {
  // As DPDK takes them: a PCI address or a virtual device's name, and its arguments.
  std::string devargs{};
  std::vector<std::string> members{};  // that a bonding device joins: each as devargs
  // Network namespace to open it in: a name as of `ip netns`, a path, a process id; '' is ours.
  std::string netns{};
  // Of the kernel, under the device: set up, with the MAC and MTU; '' for none.
  std::string interface {};
  bool makes_interface = false;  // the device makes it (a TAP), else it must be there
  uint64_t mac = 0;              // of that interface from now on, first byte highest; 0: as it is
  uint16_t queues = 1;           // most receive queues, and transmit queues
  uint16_t ring_size = 1024;     // descriptors of each; rounded to what the device takes
  uint16_t mtu = 0;              // 0: as it is
  bool promiscuous = true;
  std::vector<uint64_t> addresses{};  // it also takes frames to these; first byte highest
};

// How a queue wakes a worker that sleeps.
enum class Wake : uint8_t {
  kNever,       // it can't: the worker goes on polling
  kInterrupt,   // the driver unmasks an interrupt, which the kernel turns into an eventfd
  kDescriptor,  // frames wait in a descriptor, which is readable as long as they do
  kTimer,       // nobody tells, but nothing is lost by looking a moment later
};

struct DeviceState {
  bool link = false;
  uint32_t speed = 0;  // Mbit/s; 0: unknown
  uint16_t mtu = 0;
  uint16_t queues = 0;
  uint16_t ring_size = 0;
  int16_t numa = -1;  // node; -1: none
  bool promiscuous = false;
  bool checks_rx = false;      // checks UDP checksums of what comes in
  bool fills_tx = false;       // fills them in
  bool filters_vlans = false;  // lets in only the tags that its port carries
  uint16_t refused_vlans = 0;  // tags that its port carries and it has no place for
  Wake wake = Wake::kNever;
  uint32_t link_interrupts = 0;  // times it told by itself that its link has changed
  uint64_t mac = 0;              // first byte highest
  std::string name{};
  std::string driver{};
};

// A device's own counters, by the names that its driver gives them.
using DeviceStatistics = std::vector<std::pair<std::string, uint64_t>>;

class DevicePort : public Port {
 public:
  using Port::Port;

  [[nodiscard]] virtual std::span<RxQueue* const> queues() const = 0;

  // Control. Also tells the data path whether the link is up.
  virtual DeviceState state() = 0;
  // What the port carries from now on; null: whatever comes. A device that can spares us the rest.
  virtual void filter(const Vlans* /*vlans*/) {}
  [[nodiscard]] virtual DeviceStatistics statistics() const = 0;
  // Whether the device has gone away, or was asked back by the kernel.
  [[nodiscard]] virtual bool gone() const = 0;
  // Gives the device back, when no worker can still be in it. The destructor does so too. Returns how many frames it still had
  // to send: they are to be counted.
  virtual uint64_t close() = 0;
};

}  // namespace memswitch
