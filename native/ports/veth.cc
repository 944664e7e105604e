#include "ports/veth.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <utility>

#include "dataplane/fate.h"

namespace memswitch {

VethPort::VethPort(PortId id, Bridge* home, uint32_t mac_limit, UniqueFd fd, uint16_t mtu,
                   int alarm_fd, Ends ends, std::function<void()> end)
    : TapPort(id, home, mac_limit, std::move(fd), mtu, alarm_fd),
      ends_(std::move(ends)),
      end_(std::move(end)) {}

// The kernel takes frames to an end that is down, and drops them where nobody counts for us.
void VethPort::transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                        PortCounters& counters) {
  if (is_up()) [[likely]] {
    TapPort::transmit(burst, which, worker, counters);
    return;
  }
  for (const uint8_t index : which) {
    drop(burst, index, Drop::kLinkDown, counters);
  }
}

bool VethPort::is_up() {
  int flags = 0;
  if (seen_up()) [[likely]] {
    return true;
  }
  if (!read_flags(flags) || (flags & IFF_RUNNING) == 0) {
    return false;
  }
  found_up();
  return true;
}

bool VethPort::read_flags(int& flags) const {
  ifreq ask{};
  ends_.host.copy(ask.ifr_name, sizeof ask.ifr_name - 1);
  const bool found = ::ioctl(ends_.socket.get(), SIOCGIFFLAGS, &ask) == 0;
  flags = ask.ifr_flags;
  return found;
}

// Running: both ends are up. The file tells whether it is still ours: the interface may have been made anew.
DeviceState VethPort::state() {
  int flags = 0;
  ifreq ask{};
  const bool found = fd() >= 0 && ::ioctl(fd(), TUNGETIFF, &ask) == 0 && read_flags(flags);
  if (!found) {
    set_gone();
  }
  DeviceState state{.link = found && (flags & IFF_RUNNING) != 0,
                    .mtu = mtu(),
                    .queues = 1,
                    .wake = Wake::kDescriptor,
                    .mac = ends_.mac,
                    .name = ends_.host,
                    .driver = "veth"};
  set_up(state.link);
  return state;
}

uint64_t VethPort::close() {
  const uint64_t left = TapPort::close();
  if (const auto end = std::exchange(end_, nullptr)) {
    end();
  }
  return left;
}

}  // namespace memswitch
