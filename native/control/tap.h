// TAP interfaces: made or taken up in any network namespace.
#pragma once

#include <memory>
#include <string>

#include "control/netlink.h"
#include "control/status.h"
#include "memif/fd.h"
#include "ports/device.h"

namespace memswitch {

struct TapOptions {
  std::string netns;        // a name as of `ip netns`, a path, a process id; '' is ours
  std::string interface;    // made if it is not there
  bool persistent = false;  // stays when nobody holds it any more
  InterfaceSetup setup{};
};

// Opens the interface and sets it up, in the calling thread's namespace. Refuses one that somebody else holds.
Status open_tap(const TapOptions& options, UniqueFd& fd);

// In the namespace that the options name.
Status open_tap_port(const TapOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                     int alarm_fd, std::unique_ptr<DevicePort>& port);

}  // namespace memswitch
