#include "vxlan/ip_address.h"

#include <arpa/inet.h>

namespace memswitch {

bool IpAddress::parse(const std::string& text, IpAddress& address) {
  std::array<std::byte, 16> binary{};
  if (::inet_pton(AF_INET, text.c_str(), binary.data()) == 1) {
    address = ipv4(binary.data());
    return true;
  }
  if (::inet_pton(AF_INET6, text.c_str(), binary.data()) == 1) {
    address = ipv6(binary.data());
    return true;
  }
  return false;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(is_ipv4() ? AF_INET : AF_INET6, data(), buffer, sizeof buffer);
  return buffer;
}

}  // namespace memswitch
