// IP addresses and UDP ports as the kernel's sockets have them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "vxlan/ip_address.h"

namespace memswitch {

// Returns the length of what it wrote to `name`.
socklen_t socket_address(const IpAddress& address, uint16_t port, sockaddr_storage& name);

// Of IPv4 or IPv6, whatever the port.
IpAddress address_of(const sockaddr_storage& name);

}  // namespace memswitch
