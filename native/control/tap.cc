#include "control/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "control/netns.h"
#include "ports/tap.h"

namespace memswitch {

namespace {

// `name` in, and out as the kernel made it of a pattern.
Status attach(std::string& name, UniqueFd& fd) {
  fd.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    return system_error(
        "open /dev/net/tun (in a container: --device /dev/net/tun --cap-add NET_ADMIN)");
  }
  ifreq ask{};
  ask.ifr_flags = IFF_TAP | IFF_NO_PI;
  name.copy(ask.ifr_name, sizeof ask.ifr_name - 1);
  if (::ioctl(fd.get(), TUNSETIFF, &ask) == 0) {
    name = ask.ifr_name;
    return {};
  }
  switch (errno) {
    case EBUSY:
      return refuse(Code::kInUse,
                    "the TAP interface " + name + " is held by somebody else; see: ip -d link");
    case EINVAL:
      return refuse(Code::kExists,
                    "there is an interface " + name + " already, and it is no TAP of one queue");
    default:
      return system_error("make the TAP interface " + name);
  }
}

Status finish(const TapOptions& options, const UniqueFd& fd) {
  if (Status status = set_up_interface(options.interface, options.setup); !status.ok()) {
    return status;
  }
  // Last: one that could not be set up goes with its descriptor.
  return ::ioctl(fd.get(), TUNSETPERSIST, options.persistent ? 1 : 0) == 0
             ? Status{}
             : system_error("keep the TAP interface " + options.interface);
}

// Made in our namespace and moved: a TAP's file keeps the namespace alive that it was opened in, and a container's must be
// able to end while we hold its interface.
Status make_elsewhere(const TapOptions& options, UniqueFd& fd) {
  const UniqueFd there = open_namespace(options.netns);
  if (!there) {
    return system_error("enter network namespace " + options.netns);
  }
  std::string name = "mswtap%d";
  if (Status status = attach(name, fd); !status.ok()) {
    return status;
  }
  if (Status status = move_interface(name, there.get(), options.interface); !status.ok()) {
    return status;
  }
  return in_namespace(options.netns, [&] { return finish(options, fd); });
}

Status exists(const std::string& netns, const std::string& name, bool& found) {
  return in_namespace(netns, [&] {
    found = ::if_nametoindex(name.c_str()) != 0;
    return Status{};
  });
}

}  // namespace

Status open_tap(const TapOptions& options, UniqueFd& fd) {
  std::string name = options.interface;
  Status status = attach(name, fd);
  return status.ok() ? finish(options, fd) : status;
}

Status open_tap_port(const TapOptions& options, PortId id, Bridge* bridge, uint32_t mac_limit,
                     int alarm_fd, std::unique_ptr<DevicePort>& port) {
  bool found = false;
  UniqueFd fd;
  Status status = exists(options.netns, options.interface, found);
  if (status.ok()) {
    status = found || options.netns.empty()
                 ? in_namespace(options.netns, [&] { return open_tap(options, fd); })
                 : make_elsewhere(options, fd);
  }
  if (status.ok()) {
    port = std::make_unique<TapPort>(id, bridge, mac_limit, std::move(fd),
                                     static_cast<uint16_t>(options.setup.mtu), alarm_fd);
  }
  return status;
}

}  // namespace memswitch
