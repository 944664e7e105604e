// The sockets of a VTEP in the host's stack.
#pragma once

#include <string>
#include <vector>

#include "control/status.h"
#include "ports/vxlan_kernel.h"
#include "ports/vxlan_port.h"

namespace memswitch {

struct VtepOptions {
  std::string netns{};  // where the VTEP lives; '': our own namespace
  IpAddress local{};
  uint16_t port = vxlan::kUdpPort;
  uint8_t ttl = 64;
  int dscp = 0;  // -1: the inner packet's
  bool dont_fragment = true;
  bool udp_checksum = true;
  uint16_t first_source_port = 49152;
  uint16_t last_source_port = 65535;
  // The port of the switch that is the underlay; kNoPort: the kernel, and nothing below counts.
  PortId underlay = kNoPort;
  uint8_t prefix = 24;
  IpAddress gateway{};  // unspecified: all remotes are neighbours
  uint16_t vlan = 0;    // 0: untagged
  Mac mac = 0;
  uint16_t mtu = 1500;
  std::vector<StaticNeighbor> neighbors{};

  bool operator==(const VtepOptions&) const = default;
};

Status open_sockets(const VtepOptions& options, KernelSockets& sockets);

// The MTU of the way to a remote as the routes have it; 0: there is none. `probe` is KernelSockets::probe.
uint16_t path_mtu(int probe, const IpAddress& remote);

}  // namespace memswitch
