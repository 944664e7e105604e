#include "control/interface.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace memswitch {

namespace {

ifreq request(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return request;
}

// Receive merging (GRO) is asked and set by this.
bool merging(int socket, const std::string& name, uint32_t command, uint32_t& value) {
  ethtool_value question{.cmd = command, .data = value};
  ifreq ask = request(name);
  ask.ifr_data = reinterpret_cast<char*>(&question);
  const bool answered = ::ioctl(socket, SIOCETHTOOL, &ask) == 0;
  value = question.data;
  return answered;
}

}  // namespace

Status Interface::open(const std::string& name, uint64_t mac, uint16_t mtu,
                       std::unique_ptr<Interface>& interface) {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  interface = std::make_unique<Interface>(name, std::move(socket));
  if (interface->state() == State::kGone) {
    return refuse(Code::kNotFound,
                  "no interface \"" + name + "\" in this network namespace; see: ip link");
  }
  if (Status status = interface->set_mac(mac); !status.ok()) {
    return status;
  }
  if (Status status = interface->set_mtu(mtu); !status.ok()) {
    return status;
  }
  interface->stop_merging();
  return interface->set_up();
}

Interface::~Interface() {
  uint32_t on = 1;
  if (merged_) {
    merging(socket_.get(), name_, ETHTOOL_SGRO, on);
  }
}

Status Interface::failed(const std::string& what) const {
  return system_error(what + " of " + name_);
}

Status Interface::set_mac(uint64_t mac) {
  if (mac == 0) {
    return {};
  }
  ifreq ask = request(name_);
  ask.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  for (int i = 5; i >= 0; --i, mac >>= 8) {
    ask.ifr_hwaddr.sa_data[i] = static_cast<char>(mac & 0xff);
  }
  return ::ioctl(socket_.get(), SIOCSIFHWADDR, &ask) == 0 ? Status{} : failed("set the address");
}

Status Interface::set_mtu(uint16_t mtu) {
  ifreq ask = request(name_);
  ask.ifr_mtu = mtu;
  return mtu == 0 || ::ioctl(socket_.get(), SIOCSIFMTU, &ask) == 0 ? Status{}
                                                                   : failed("set the MTU");
}

uint16_t Interface::mtu() const {
  ifreq ask = request(name_);
  return ::ioctl(socket_.get(), SIOCGIFMTU, &ask) == 0 ? static_cast<uint16_t>(ask.ifr_mtu) : 0;
}

Status Interface::set_up() {
  ifreq ask = request(name_);
  if (::ioctl(socket_.get(), SIOCGIFFLAGS, &ask) != 0) {
    return failed("read the flags");
  }
  if ((ask.ifr_flags & IFF_UP) != 0) {
    return {};
  }
  ask.ifr_flags = static_cast<int16_t>(ask.ifr_flags | IFF_UP);
  return ::ioctl(socket_.get(), SIOCSIFFLAGS, &ask) == 0 ? Status{} : failed("set up the link");
}

// Frames must come as they were on the wire: merged ones are longer than any buffer.
void Interface::stop_merging() {
  uint32_t on = 0;
  merged_ = merging(socket_.get(), name_, ETHTOOL_GGRO, on) && on != 0;
  uint32_t off = 0;
  if (merged_) {
    merging(socket_.get(), name_, ETHTOOL_SGRO, off);
  }
}

Interface::State Interface::state() const {
  ifreq ask = request(name_);
  if (::ioctl(socket_.get(), SIOCGIFFLAGS, &ask) != 0) {
    return errno == ENODEV ? State::kGone : State::kDown;
  }
  return (ask.ifr_flags & IFF_RUNNING) != 0 ? State::kUp : State::kDown;
}

}  // namespace memswitch
