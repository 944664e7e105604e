// Pairs of interfaces (veth(4)) that join a container to the switch: one end is the container's, in its network namespace; the
// other, the host's, stays in ours, where whoever limits or watches containers by their veth finds it.
//
// A macvtap in mode passthru stands on the host's end, and the port reads and writes that. Why not a packet socket, or AF_XDP,
// on the end itself: those see a frame before the kernel's traffic control does, so that a limit on what the container sends
// (as the CNI plugin `bandwidth` sets it, by an ifb) would not hold; what they see goes up the host's own IP stack as well,
// past the switch; and a container that leaves checksums and segmentation to its device, as each does with a veth, would
// send frames that are longer than any buffer. In front of a macvtap the kernel does all three. DPDK's drivers for them take
// 1,500 bytes at most, and 32 devices.
#pragma once

#include <memory>
#include <string>

#include "control/status.h"
#include "ports/device.h"

namespace memswitch {

struct VethOptions {
  std::string
      netns;  // of the container's end: a name as of `ip netns`, a path, a process id; '' is ours
  std::string interface;  // the container's end
  std::string
      host;  // ours, at most kLongestHost bytes; a pair that is there by that name is taken up
  bool persistent = false;  // the pair stays when the port goes
  uint64_t mac = 0;         // of the container's end, first byte highest; 0: as it is
  uint32_t mtu = 0;
};

// One less than the kernel's: the macvtap has one more.
inline constexpr size_t kLongestHost = 14;

// In the calling thread's namespace.
Status open_veth_port(const VethOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                      int alarm_fd, std::unique_ptr<DevicePort>& port);

}  // namespace memswitch
