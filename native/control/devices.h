// What the door to DPDK (control/dpdk.h) leads to: all devices of the process.
#pragma once

#include <mutex>

#include "control/buffers.h"
#include "control/dpdk.h"

namespace memswitch {

class Devices final : public Dpdk {
 public:
  Status open(const DeviceOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
              size_t workers, int alarm_fd, std::unique_ptr<DevicePort>& port) override;
  void sweep(uint32_t& pools, uint32_t& used) override;

 private:
  std::mutex lock_;
  Pools pools_;
};

}  // namespace memswitch
