#include "vxlan/socket_address.h"

#include "vxlan/wire.h"

namespace memswitch {

socklen_t socket_address(const IpAddress& address, uint16_t port, sockaddr_storage& name) {
  if (address.is_ipv4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = vxlan::swap16(port);
    std::memcpy(&in.sin_addr, address.data(), 4);
    std::memcpy(&name, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = vxlan::swap16(port);
  std::memcpy(&in.sin6_addr, address.data(), 16);
  std::memcpy(&name, &in, sizeof in);
  return sizeof in;
}

IpAddress address_of(const sockaddr_storage& name) {
  if (name.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &name, sizeof in);
    return IpAddress::ipv4(&in.sin_addr);
  }
  sockaddr_in6 in;
  std::memcpy(&in, &name, sizeof in);
  return IpAddress::ipv6(&in.sin6_addr);
}

}  // namespace memswitch
