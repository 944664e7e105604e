// The door to DPDK: a shared object beside the addon, built where DPDK is installed, loaded and started with the first
// port that needs it. Whatever fails there leaves the switch and its other ports as they are.
#pragma once

#include <memory>

#include "control/status.h"
#include "ports/device.h"

namespace memswitch {

// What the shared object holds; one a process, as DPDK is. Callable by any control thread.
class Dpdk {
 public:
  virtual ~Dpdk() = default;

  // Takes hold of a device and starts it, within milliseconds to seconds. `alarm_fd`, an eventfd, is written to when
  // its link changes or it goes away. `workers`: how many threads may use it.
  virtual Status open(const DeviceOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                      size_t workers, int alarm_fd, std::unique_ptr<DevicePort>& port) = 0;
  // Frees the buffers of closed devices once the last has come back. `used` is how many are out now, of all devices.
  virtual void sweep(uint32_t& pools, uint32_t& used) = 0;
};

// The two halves must be of one build. Told by the number, which changes when a meaning above or in ports/ does, and by
// the sizes of what both look into.
inline constexpr uint32_t kDpdkContract = 4 << 24 ^ sizeof(DeviceOptions) << 18 ^
                                          sizeof(DeviceState) << 12 ^ sizeof(Port) << 8 ^
                                          sizeof(PortCounters) << 4 ^ sizeof(Burst);

// The shared object's one function: null when it is of another contract.
inline constexpr char kDpdkEntry[] = "memswitch_dpdk";
using DpdkEntry = Dpdk* (*)(uint32_t contract);

// Loads the shared object, once.
Status load_dpdk(Dpdk*& dpdk);
// The one that was loaded, or null.
Dpdk* loaded_dpdk();

}  // namespace memswitch
