#include "control/netlink.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "memif/fd.h"

namespace memswitch {

namespace {

// One request: a header, the family's own structure, attributes.
class Request {
 public:
  template <typename Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    header().nlmsg_type = type;
    header().nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    header().nlmsg_len = NLMSG_LENGTH(sizeof body);
    std::memcpy(NLMSG_DATA(&header()), &body, sizeof body);
  }

  // Attributes are few and short; room for them is never wanting.
  void add(uint16_t type, const void* data, size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(bytes_.data() + NLMSG_ALIGN(header().nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(attribute), data, size);
    header().nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header().nlmsg_len) + RTA_LENGTH(size));
  }
  void add(uint16_t type, uint32_t value) { add(type, &value, sizeof value); }

  // 0, or the error number of the kernel's answer.
  [[nodiscard]] int send() {
    const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket || ::send(socket.get(), bytes_.data(), header().nlmsg_len, 0) < 0) {
      return errno;
    }
    alignas(nlmsghdr) std::array<std::byte, 4096> answer;
    const ssize_t length = ::recv(socket.get(), answer.data(), answer.size(), 0);
    const auto* told = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (length < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) ||
        told->nlmsg_type != NLMSG_ERROR) {
      return length < 0 ? errno : EPROTO;
    }
    return -reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(told))->error;
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }

  alignas(nlmsghdr) std::array<std::byte, 512> bytes_{};
};

Status done(int error, const std::string& what) {
  errno = error;
  return error == 0 ? Status{} : system_error(what);
}

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
  Request request(RTM_NEWLINK, 0, body);
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
    request.add(IFLA_IFNAME, setup.name.c_str(), setup.name.size() + 1);
  }
  return done(request.send(), "set up the interface " + name);
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
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body);
  request.add(IFA_LOCAL, prefix.address.data(), prefix.address.size());
  request.add(IFA_ADDRESS, prefix.address.data(), prefix.address.size());
  if (prefix.address.is_ipv4() && prefix.length < 31) {
    uint32_t broadcast = 0;
    std::memcpy(&broadcast, prefix.address.data(), sizeof broadcast);
    broadcast |= htonl(prefix.length == 0 ? UINT32_MAX : UINT32_MAX >> prefix.length);
    request.add(IFA_BROADCAST, broadcast);
  }
  const int error = request.send();
  return done(error == EEXIST ? 0 : error, "give the interface " + text_of(prefix));
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
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body);
  if (route.destination.length > 0) {
    request.add(RTA_DST, route.destination.address.data(), route.destination.address.size());
  }
  if (!direct) {
    request.add(RTA_GATEWAY, route.gateway.data(), route.gateway.size());
  }
  request.add(RTA_OIF, index);
  const int error = request.send();
  return done(error == EEXIST ? 0 : error, "add a route to " + text_of(route.destination));
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
  Request request(RTM_NEWLINK, 0, body);
  request.add(IFLA_NET_NS_FD, static_cast<uint32_t>(netns_fd));
  request.add(IFLA_IFNAME, as.c_str(), as.size() + 1);
  return done(request.send(), "move the interface " + name + " to its namespace as " + as);
}

Status remove_interface(const std::string& name) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(::if_nametoindex(name.c_str()));
  if (body.ifi_index == 0) {
    return {};
  }
  const int error = Request(RTM_DELLINK, 0, body).send();
  return done(error == ENODEV ? 0 : error, "remove the interface " + name);
}

// --- what there is -------------------------------------------------------------------------------------------------

namespace {

void take(InterfaceState& state, const ifaddrs& entry) {
  state.name = entry.ifa_name;
  state.up = (entry.ifa_flags & IFF_UP) != 0;
  const sockaddr* address = entry.ifa_addr;
  if (address == nullptr) {
    return;
  }
  if (address->sa_family == AF_PACKET) {
    sockaddr_ll link;
    std::memcpy(&link, address, sizeof link);
    for (size_t i = 0; i < 6; ++i) {
      state.mac = state.mac << 8 | link.sll_addr[i];
    }
    return;
  }
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

uint32_t mtu_of(int socket, const std::string& name) {
  ifreq ask{};
  name.copy(ask.ifr_name, sizeof ask.ifr_name - 1);
  return ::ioctl(socket, SIOCGIFMTU, &ask) == 0 ? static_cast<uint32_t>(ask.ifr_mtu) : 0;
}

}  // namespace

Status list_interfaces(std::vector<InterfaceState>& interfaces) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return system_error("list the interfaces");
  }
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    auto known = std::ranges::find(interfaces, entry->ifa_name, &InterfaceState::name);
    if (known == interfaces.end()) {
      known = interfaces.insert(known, InterfaceState{});
    }
    take(*known, *entry);
  }
  ::freeifaddrs(first);
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (InterfaceState& state : interfaces) {
    state.mtu = mtu_of(socket.get(), state.name);
  }
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
