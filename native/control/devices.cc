#include "control/devices.h"

#include "control/device.h"
#include "control/eal.h"
#include "control/netns.h"
#include "control/private_descriptors.h"

namespace memswitch {

Status Devices::open(const DeviceOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                     size_t workers, int alarm_fd, std::unique_ptr<DevicePort>& port) {
  const std::lock_guard guard(lock_);
  const PrivateDescriptors ours;
  if (Status status = start_eal(); !status.ok()) {
    return status;
  }
  auto device = std::make_unique<Device>(id, bridge, mac_limit, lock_, pools_, alarm_fd);
  Status status = in_namespace(options.netns, [&] { return device->open(options, workers); });
  if (status.ok()) {
    port = std::move(device);
  }
  return status;
}

void Devices::sweep(uint32_t& pools, uint32_t& used) {
  const std::lock_guard guard(lock_);
  pools_.sweep();
  pools = pools_.count();
  used = pools_.used();
}

}  // namespace memswitch

extern "C" __attribute__((visibility("default"))) memswitch::Dpdk* memswitch_dpdk(
    uint32_t contract) {
  // Never destroyed: at exit a worker may still be in a device.
  static auto& devices = *std::make_unique<memswitch::Devices>().release();
  return contract == memswitch::kDpdkContract ? &devices : nullptr;
}
