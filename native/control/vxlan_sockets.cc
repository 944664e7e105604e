#include "control/vxlan_sockets.h"

#include <netinet/udp.h>

#include <algorithm>
#include <climits>

#include "control/netns.h"
#include "vxlan/socket_address.h"

namespace memswitch {

namespace {

// Flows are spread over so many source ports.
constexpr size_t kSenders = 16;
constexpr int kBuffer = 4 << 20;  // bytes; of a socket's queue, where the host allows it

struct Option {
  int level;
  int name;
  int value;
};

bool set(int fd, const Option& option) {
  return ::setsockopt(fd, option.level, option.name, &option.value, sizeof option.value) == 0;
}

// A long queue carries what comes while a worker is not scheduled. Beyond the host's limit only the privileged may go.
void lengthen(int fd, int forced, int asked) {
  if (!set(fd, {SOL_SOCKET, forced, kBuffer})) {
    set(fd, {SOL_SOCKET, asked, kBuffer});
  }
}

std::vector<Option> sender_options(const VtepOptions& options) {
  const bool ipv4 = options.local.is_ipv4();
  const int level = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
  std::vector<Option> list{
      {level, ipv4 ? IP_TTL : IPV6_UNICAST_HOPS, options.ttl},
      {level, ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
       // NOLINTBEGIN(bugprone-branch-clone): both families have the same values, by chance
       options.dont_fragment ? (ipv4 ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO)
                             : (ipv4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT)},
      // NOLINTEND(bugprone-branch-clone)
  };
  if (options.dscp >= 0) {
    list.push_back({level, ipv4 ? IP_TOS : IPV6_TCLASS, options.dscp << 2});
  }
  if (!options.udp_checksum) {
    list.push_back(ipv4 ? Option{SOL_SOCKET, SO_NO_CHECK, 1}
                        : Option{IPPROTO_UDP, UDP_NO_CHECK6_TX, 1});
  }
  return list;
}

UniqueFd new_socket(const IpAddress& local) {
  return UniqueFd(::socket(local.is_ipv4() ? AF_INET : AF_INET6,
                           SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
}

bool bind_to(int fd, const IpAddress& local, uint16_t port) {
  sockaddr_storage name;
  const socklen_t length = socket_address(local, port, name);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&name), length) == 0;
}

std::string place_of(const VtepOptions& options) {
  const std::string where = options.netns.empty() ? "" : " in " + options.netns;
  return options.local.text() + " port " + std::to_string(options.port) + where;
}

Status cannot_bind(const VtepOptions& options) {
  switch (errno) {
    case EADDRINUSE:
      return refuse(Code::kInUse, place_of(options) +
                                      ": another program or a kernel device has the UDP port; "
                                      "remove it, or choose another port");
    case EADDRNOTAVAIL:
      return refuse(Code::kNotFound, place_of(options) +
                                         ": the host does not have that address; add it to an "
                                         "interface first");
    default:
      return system_error(place_of(options));
  }
}

Status open_receiver(const VtepOptions& options, UniqueFd& fd) {
  fd = new_socket(options.local);
  if (!fd) {
    return system_error("socket");
  }
  set(fd.get(), {SOL_UDP, UDP_GRO, 1});  // from Linux 5.0 on; without it datagrams come one by one
  if (!options.local.is_ipv4()) {
    set(fd.get(), {IPPROTO_IPV6, IPV6_V6ONLY, 1});
    if (!options.udp_checksum) {
      set(fd.get(), {IPPROTO_UDP, UDP_NO_CHECK6_RX, 1});
    }
  }
  lengthen(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  return bind_to(fd.get(), options.local, options.port) ? Status{} : cannot_bind(options);
}

// Nobody reads what comes back to a sender: the kernel is to keep as little of it as it can.
Status open_sender(const VtepOptions& options, UniqueFd& fd) {
  fd = new_socket(options.local);
  if (!fd) {
    return system_error("socket");
  }
  for (const Option& option : sender_options(options)) {
    if (!set(fd.get(), option)) {
      return system_error("socket option " + std::to_string(option.name));
    }
  }
  set(fd.get(), {SOL_SOCKET, SO_RCVBUF, 0});
  lengthen(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  return {};
}

// Bound to ports spread over the range; one that is taken makes room for the next.
Status open_senders(const VtepOptions& options, std::vector<UniqueFd>& senders) {
  const size_t range = options.last_source_port - options.first_source_port + size_t{1};
  const size_t wanted = std::min(kSenders, range);
  const size_t step = range / wanted;
  for (size_t s = 0; s < wanted; ++s) {
    UniqueFd fd;
    if (Status status = open_sender(options, fd); !status.ok()) {
      return status;
    }
    bool bound = false;
    for (size_t p = 0; p < step && !bound; ++p) {
      const auto port = static_cast<uint16_t>(options.first_source_port + s * step + p);
      bound = port != options.port && bind_to(fd.get(), options.local, port);
    }
    if (bound) {
      senders.push_back(std::move(fd));
    }
  }
  return senders.empty()
             ? refuse(Code::kInUse, options.local.text() + ": all ports of sourcePorts are taken")
             : Status{};
}

}  // namespace

Status open_sockets(const VtepOptions& options, KernelSockets& sockets) {
  return in_namespace(options.netns, [&] {
    Status status = open_receiver(options, sockets.rx);
    if (status.ok()) {
      status = open_senders(options, sockets.tx);
    }
    if (status.ok()) {
      sockets.probe = new_socket(options.local);
      bind_to(sockets.probe.get(), options.local, 0);
    }
    return status;
  });
}

uint16_t path_mtu(int probe, const IpAddress& remote) {
  sockaddr_storage name;
  const socklen_t length = socket_address(remote, vxlan::kUdpPort, name);
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool ipv4 = remote.is_ipv4();
  if (::connect(probe, reinterpret_cast<const sockaddr*>(&name), length) != 0 ||
      ::getsockopt(probe, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU, &mtu,
                   &size) != 0) {
    return 0;
  }
  return static_cast<uint16_t>(std::clamp(mtu, 0, USHRT_MAX));
}

}  // namespace memswitch
