#include "control/netlink.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "control/netlink_request.h"
#include "memif/fd.h"

namespace memswitch {

namespace {

Status need_index(const std::string& name, uint32_t& index) {
  index = ::if_nametoindex(name.c_str());
  return index != 0 ? Status{}
                    : refuse(Code::kNotFound, "no interface \"" + name +
                                                  "\" in this network namespace; see: ip link");
}

uint8_t family_of(const IpAddress& address) {
  return address.is_ipv4() ? AF_INET : AF_INET6;
}

std::string text_of(const Prefix& prefix) {
  return prefix.address.text() + "/" + std::to_string(prefix.length);
}

// The name changes only while the interface is down, so before the rest.
Status set_link(uint32_t index, const std::string& name, const InterfaceSetup& setup) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(index);
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  NetlinkRequest request(RTM_NEWLINK, 0, body);
  if (setup.mac != 0) {
    std::array<uint8_t, 6> mac{};
    for (size_t i = 0; i < mac.size(); ++i) {
      mac[i] = static_cast<uint8_t>(setup.mac >> (40 - 8 * i));
    }
    request.add(IFLA_ADDRESS, mac.data(), mac.size());
  }
  if (setup.mtu != 0) {
    request.add(IFLA_MTU, setup.mtu);
  }
  if (!setup.name.empty() && setup.name != name) {
    request.add(IFLA_IFNAME, setup.name);
  }
  return netlink_status(request.send(), "set up the interface " + name);
}

// Hosts that have no use for IPv6 turn it off for all new interfaces; who gives an address wants it on this one.
void allow_ipv6(const std::string& name) {
  const std::string path = "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6";
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const ssize_t written = ::write(file.get(), "0", 1);
}

// Without duplicate address detection: it would keep an IPv6 address from use for a second, and who gives addresses here
// gives each once.
Status add_address(uint32_t index, const Prefix& prefix) {
  ifaddrmsg body{};
  body.ifa_family = family_of(prefix.address);
  body.ifa_prefixlen = prefix.length;
  body.ifa_flags = prefix.address.is_ipv4() ? 0 : IFA_F_NODAD;
  body.ifa_index = index;
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body);
  request.add(IFA_LOCAL, prefix.address.data(), prefix.address.size());
  request.add(IFA_ADDRESS, prefix.address.data(), prefix.address.size());
  if (prefix.address.is_ipv4() && prefix.length < 31) {
    uint32_t broadcast = 0;
    std::memcpy(&broadcast, prefix.address.data(), sizeof broadcast);
    broadcast |= htonl(prefix.length == 0 ? UINT32_MAX : UINT32_MAX >> prefix.length);
    request.add(IFA_BROADCAST, broadcast);
  }
  const int error = request.send();
  return netlink_status(error == EEXIST ? 0 : error, "give the interface " + text_of(prefix));
}

Status add_route(uint32_t index, const InterfaceRoute& route) {
  const bool direct = route.gateway.bytes == IpAddress{}.bytes;
  rtmsg body{};
  body.rtm_family = family_of(route.destination.address);
  body.rtm_dst_len = route.destination.length;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = direct && body.rtm_family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body);
  if (route.destination.length > 0) {
    request.add(RTA_DST, route.destination.address.data(), route.destination.address.size());
  }
  if (!direct) {
    request.add(RTA_GATEWAY, route.gateway.data(), route.gateway.size());
  }
  request.add(RTA_OIF, index);
  const int error = request.send();
  return netlink_status(error == EEXIST ? 0 : error,
                        "add a route to " + text_of(route.destination));
}

}  // namespace

Status set_up_interface(const std::string& name, const InterfaceSetup& setup) {
  uint32_t index = 0;
  Status status = need_index(name, index);
  if (status.ok()) {
    status = set_link(index, name, setup);
  }
  const std::string& now = setup.name.empty() ? name : setup.name;
  for (size_t i = 0; status.ok() && i < setup.addresses.size(); ++i) {
    if (!setup.addresses[i].address.is_ipv4()) {
      allow_ipv6(now);
    }
    status = add_address(index, setup.addresses[i]);
  }
  for (size_t i = 0; status.ok() && i < setup.routes.size(); ++i) {
    status = add_route(index, setup.routes[i]);
  }
  return status;
}

Status move_interface(const std::string& name, int netns_fd, const std::string& as) {
  uint32_t index = 0;
  if (Status status = need_index(name, index); !status.ok()) {
    return status;
  }
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(index);
  NetlinkRequest request(RTM_NEWLINK, 0, body);
  request.add(IFLA_NET_NS_FD, static_cast<uint32_t>(netns_fd));
  request.add(IFLA_IFNAME, as);
  return netlink_status(request.send(),
                        "move the interface " + name + " to its namespace as " + as);
}

Status remove_interface(const std::string& name) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(::if_nametoindex(name.c_str()));
  if (body.ifi_index == 0) {
    return {};
  }
  const int error = NetlinkRequest(RTM_DELLINK, 0, body).send();
  return netlink_status(error == ENODEV ? 0 : error, "remove the interface " + name);
}

// --- what there is -------------------------------------------------------------------------------------------------

namespace {

void take(InterfaceState& state, const ifaddrs& entry) {
  const sockaddr* address = entry.ifa_addr;
  const bool is_ipv4 = address->sa_family == AF_INET;
  const size_t at = is_ipv4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
  const auto* bytes = reinterpret_cast<const uint8_t*>(address) + at;
  Prefix prefix{.address = is_ipv4 ? IpAddress::ipv4(bytes) : IpAddress::ipv6(bytes)};
  if (entry.ifa_netmask != nullptr) {
    const auto* mask = reinterpret_cast<const uint8_t*>(entry.ifa_netmask) + at;
    for (size_t i = 0; i < prefix.address.size(); ++i) {
      prefix.length = static_cast<uint8_t>(prefix.length + std::popcount(mask[i]));
    }
  }
  state.addresses.push_back(prefix);
}

}  // namespace

Status list_interfaces(std::vector<InterfaceState>& interfaces) {
  std::vector<LinkState> links;
  if (Status status = list_links(links); !status.ok()) {
    return status;
  }
  for (LinkState& link : links) {
    interfaces.push_back({.link = std::move(link)});
  }
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return system_error("list the addresses");
  }
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    const auto named = [&](const InterfaceState& one) { return one.link.name == entry->ifa_name; };
    const auto known = std::ranges::find_if(interfaces, named);
    const bool is_ip = entry->ifa_addr != nullptr && (entry->ifa_addr->sa_family == AF_INET ||
                                                      entry->ifa_addr->sa_family == AF_INET6);
    if (known != interfaces.end() && is_ip) {
      take(*known, *entry);
    }
  }
  ::freeifaddrs(first);
  return {};
}

// --- words ---------------------------------------------------------------------------------------------------------

bool parse_prefix(const std::string& text, Prefix& prefix) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || !IpAddress::parse(text.substr(0, slash), prefix.address)) {
    return false;
  }
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, prefix.length);
  return error == std::errc{} && rest == end && prefix.length <= 8 * prefix.address.size();
}

bool parse_mac(const std::string& text, uint64_t& mac) {
  uint64_t value = 0;
  if (text.size() != 17) {
    return false;
  }
  for (size_t i = 0; i < 6; ++i) {
    uint8_t byte = 0;
    const char* const from = text.data() + 3 * i;
    const auto [rest, error] = std::from_chars(from, from + 2, byte, 16);
    if (error != std::errc{} || rest != from + 2 || (i < 5 && *rest != ':')) {
      return false;
    }
    value = value << 8 | byte;
  }
  mac = value;
  return true;
}

}  // namespace memswitch
