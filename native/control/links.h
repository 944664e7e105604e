// What the kernel tells of interfaces by rtnetlink(7): more than getifaddrs(3) does. Of the calling thread's network namespace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/status.h"

namespace memswitch {

struct LinkState {
  std::string name{};
  uint32_t index = 0;
  uint32_t peer =
      0;  // index of the interface it belongs to, of a veth in the other's namespace; 0: none
  std::string kind{};  // as `ip -d link` shows it: veth, tun, …; '' of hardware
  uint64_t mac = 0;    // first byte highest
  uint32_t mtu = 0;
  bool up = false;
};

Status list_links(std::vector<LinkState>& links);
// kNotFound where there is none of that name.
Status find_link(const std::string& name, LinkState& link);

}  // namespace memswitch
