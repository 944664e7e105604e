// Setting up interfaces of the Linux kernel as `ip link`, `ip address` and `ip route` do, by rtnetlink(7): for containers,
// which need not have those commands. All of it concerns the calling thread's network namespace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/links.h"
#include "control/status.h"
#include "vxlan/ip_address.h"

namespace memswitch {

struct Prefix {
  IpAddress address;
  uint8_t length = 0;  // bits
};

struct InterfaceRoute {
  Prefix destination;
  IpAddress gateway{};  // unspecified (all zero): directly on the link
};

struct InterfaceSetup {
  uint64_t mac = 0;    // first byte highest; 0: as it is
  uint32_t mtu = 0;    // 0: as it is
  std::string name{};  // new; '': as it is
  std::vector<Prefix> addresses{};
  std::vector<InterfaceRoute> routes{};
};

struct InterfaceState {
  LinkState link{};
  std::vector<Prefix> addresses{};
};

// Gives the interface what is wanted and sets it up. What it has already it may keep: doing it again changes nothing.
Status set_up_interface(const std::string& name, const InterfaceSetup& setup);
// Moves it to another network namespace, where it is called `as`. Its addresses stay behind.
Status move_interface(const std::string& name, int netns_fd, const std::string& as);
// Deletes it; one that is not there is no error.
Status remove_interface(const std::string& name);
// All of the namespace.
Status list_interfaces(std::vector<InterfaceState>& interfaces);

// `text`: as 192.0.2.1/24.
bool parse_prefix(const std::string& text, Prefix& prefix);
// As 02:00:00:00:00:01.
bool parse_mac(const std::string& text, uint64_t& mac);

}  // namespace memswitch
