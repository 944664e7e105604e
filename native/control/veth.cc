#include "control/veth.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "control/netlink.h"
#include "control/netlink_request.h"
#include "control/netns.h"
#include "ports/veth.h"

namespace memswitch {

namespace {

// Frames that wait for the switch: one write of a container's TCP is cut into 45.
constexpr uint32_t kQueueLength = 2000;

// IFLA_MACVLAN_BC_CUTOFF of Linux 6.4, which older headers lack and older kernels pass over: broadcasts come in their turn,
// not by a work queue.
constexpr uint16_t kBroadcastCutoff = 9;

std::string tap_of(const std::string& host) {
  return host + "t";
}

ifinfomsg interface_body(uint32_t index = 0) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(index);
  return body;
}

// --- the pair ------------------------------------------------------------------------------------------------------

// Both ends at once, each with its name in its namespace: there is no step between that a crash could leave.
Status make_pair(const VethOptions& options) {
  const UniqueFd there = options.netns.empty() ? UniqueFd() : open_namespace(options.netns);
  if (!options.netns.empty() && !there) {
    return system_error("enter network namespace " + options.netns);
  }
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, interface_body());
  request.add(IFLA_IFNAME, options.host);
  request.add(IFLA_MTU, options.mtu);
  const size_t info = request.enter(IFLA_LINKINFO);
  request.add(IFLA_INFO_KIND, std::string("veth"));
  const size_t data = request.enter(IFLA_INFO_DATA);
  const ifinfomsg body = interface_body();
  const size_t peer = request.enter(VETH_INFO_PEER, &body, sizeof body);
  request.add(IFLA_IFNAME, options.interface);
  request.add(IFLA_MTU, options.mtu);
  if (there) {
    request.add(IFLA_NET_NS_FD, static_cast<uint32_t>(there.get()));
  }
  request.leave(peer);
  request.leave(data);
  request.leave(info);
  const int error = request.send();
  return error == EEXIST
             ? refuse(Code::kExists, "there is an interface " + options.interface +
                                         " already, and it is no veth of " + options.host)
             : netlink_status(error, "make the veth pair " + options.host);
}

// Frames are the switch's: the host's own stack must not answer, take or forward any of them, be it that nobody reads.
Status keep_from_host(const std::string& name) {
  const std::array<std::string, 3> settings{"ipv6/conf/" + name + "/disable_ipv6",
                                            "ipv4/conf/" + name + "/rp_filter",
                                            "ipv4/conf/" + name + "/drop_unicast_in_l2_multicast"};
  for (const std::string& setting : settings) {
    const std::string path = "/proc/sys/net/" + setting;
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) {
      continue;  // a kernel without IPv6
    }
    if (!file || ::write(file.get(), "1", 1) != 1) {
      return system_error("write " + path);
    }
  }
  return {};
}

// --- the macvtap ---------------------------------------------------------------------------------------------------

// One that is there is of a process that died: whoever still holds it loses it.
Status make_tap(const VethOptions& options) {
  const std::string name = tap_of(options.host);
  if (Status status = remove_interface(name); !status.ok()) {
    return status;
  }
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, interface_body());
  request.add(IFLA_IFNAME, name);
  request.add(IFLA_LINK, ::if_nametoindex(options.host.c_str()));
  request.add(IFLA_MTU, options.mtu);
  request.add(IFLA_TXQLEN, kQueueLength);
  const size_t info = request.enter(IFLA_LINKINFO);
  request.add(IFLA_INFO_KIND, std::string("macvtap"));
  const size_t data = request.enter(IFLA_INFO_DATA);
  request.add(IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
  request.add(kBroadcastCutoff, UINT32_MAX);  // -1: none of them waits
  request.leave(data);
  request.leave(info);
  return netlink_status(request.send(),
                        "make a macvtap on " + options.host + " (is there a module macvtap?)");
}

// A container whose switch is away sees that by its carrier.
void stop(const std::string& name) {
  ifinfomsg body = interface_body(::if_nametoindex(name.c_str()));
  body.ifi_change = IFF_UP;
  static_cast<void>(NetlinkRequest(RTM_NEWLINK, 0, body).send());
}

// Up, without ARP, and with frames to all groups.
Status start(const std::string& name, uint32_t mtu) {
  ifinfomsg body = interface_body(::if_nametoindex(name.c_str()));
  body.ifi_flags = body.ifi_change = IFF_UP | IFF_NOARP | IFF_ALLMULTI;
  NetlinkRequest request(RTM_NEWLINK, 0, body);
  request.add(IFLA_MTU, mtu);
  return netlink_status(request.send(), "set up the interface " + name);
}

// Its device file, by a node of our own: a /dev that is a container's has none, and names of other namespaces may meet.
Status open_tap_file(const std::string& name, UniqueFd& fd) {
  const std::string number = std::to_string(::if_nametoindex(name.c_str()));
  std::ifstream told("/sys/class/net/" + name + "/tap" + number + "/dev");
  unsigned major = 0;
  unsigned minor = 0;
  char colon = 0;
  if (!(told >> major >> colon >> minor)) {
    return refuse(Code::kSystem, "find the device of " + name +
                                     ": /sys is not of the switch's own network namespace");
  }
  const std::string node = "/dev/." + name;
  ::unlink(node.c_str());
  if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(major, minor)) != 0) {
    return system_error("make the device file " + node);
  }
  fd.reset(::open(node.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  Status status = fd ? Status{} : system_error("open the device file " + node);
  ::unlink(node.c_str());
  return status;
}

// Without a header before each frame: so the kernel finishes checksums and cuts what is longer than the MTU.
Status attach(const std::string& name, UniqueFd& fd) {
  if (Status status = open_tap_file(name, fd); !status.ok()) {
    return status;
  }
  ifreq ask{};
  ask.ifr_flags = IFF_TAP | IFF_NO_PI;
  return ::ioctl(fd.get(), TUNSETIFF, &ask) == 0 ? Status{} : system_error("take up " + name);
}

// --- all of it -----------------------------------------------------------------------------------------------------

Status prepare_host_end(const VethOptions& options, UniqueFd& fd) {
  const std::string tap = tap_of(options.host);
  using Step = std::function<Status()>;
  const std::array<Step, 6> steps{[&] { return keep_from_host(options.host); },
                                  [&] { return make_tap(options); },
                                  [&] { return keep_from_host(tap); },
                                  [&] { return start(options.host, options.mtu); },
                                  [&] { return start(tap, options.mtu); },
                                  [&] { return attach(tap, fd); }};
  Status status;
  for (size_t i = 0; i < steps.size() && status.ok(); ++i) {
    status = steps[i]();
  }
  return status;
}

// One that was there may have been moved and renamed since: then it is its owner's to set up.
Status prepare_container_end(const VethOptions& options, uint64_t& mac, bool& is_up) {
  return in_namespace(options.netns, [&] {
    LinkState link;
    is_up = find_link(options.interface, link).ok();
    if (!is_up) {
      return Status{};
    }
    mac = options.mac == 0 ? link.mac : options.mac;
    return set_up_interface(options.interface, {.mac = options.mac, .mtu = options.mtu});
  });
}

// The kernel tells carriers a moment later than it has them; a port whose link is down until somebody looks again, in a
// second, would miss the container's first questions.
void await_link(DevicePort& port) {
  constexpr auto kTry = std::chrono::milliseconds(1);
  constexpr int kTries = 50;
  for (int i = 0; i < kTries && !port.state().link; ++i) {
    std::this_thread::sleep_for(kTry);
  }
}

// What stands on the host's end goes with it.
void give_back(const std::string& host, bool keep_pair) {
  static_cast<void>(remove_interface(keep_pair ? tap_of(host) : host));
  if (keep_pair && ::if_nametoindex(host.c_str()) != 0) {
    stop(host);
  }
}

}  // namespace

Status open_veth_port(const VethOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                      int alarm_fd, std::unique_ptr<DevicePort>& port) {
  LinkState there;
  const bool found = find_link(options.host, there).ok();
  if (found && there.kind != "veth") {
    return refuse(Code::kExists,
                  "there is an interface " + options.host + " already, and it is no veth");
  }
  UniqueFd fd;
  uint64_t mac = options.mac;
  bool is_up = false;
  Status status = found ? Status{} : make_pair(options);
  if (!status.ok()) {
    return status;
  }
  status = prepare_host_end(options, fd);
  if (status.ok()) {
    status = prepare_container_end(options, mac, is_up);
  }
  if (!status.ok()) {
    give_back(options.host, found);
    return status;
  }
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  port = std::make_unique<VethPort>(
      id, bridge, mac_limit, std::move(fd), static_cast<uint16_t>(options.mtu), alarm_fd,
      VethPort::Ends{.host = options.host, .mac = mac, .socket = std::move(socket)},
      [host = options.host, keep = options.persistent] { give_back(host, keep); });
  if (is_up) {
    await_link(*port);
  }
  return {};
}

}  // namespace memswitch
