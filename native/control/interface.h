// A network interface of the kernel under a device (af_packet, af_xdp): made ready when the device opens, watched
// because its driver does not, and put back as it was.
#pragma once

#include <memory>
#include <string>

#include "control/status.h"
#include "memif/fd.h"

namespace memswitch {

class Interface {
 public:
  // In the calling thread's network namespace; what is asked later is asked there. Sets it up. `mac`, first byte
  // highest, and `mtu`: from now on; 0: as it is.
  static Status open(const std::string& name, uint64_t mac, uint16_t mtu,
                     std::unique_ptr<Interface>& interface);

  Interface(std::string name, UniqueFd socket)
      : name_(std::move(name)), socket_(std::move(socket)) {}
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  ~Interface();

  enum class State { kUp, kDown, kGone };
  [[nodiscard]] State state() const;
  [[nodiscard]] uint16_t mtu() const;

 private:
  Status set_mac(uint64_t mac);
  Status set_mtu(uint16_t mtu);
  Status set_up();
  void stop_merging();
  [[nodiscard]] Status failed(const std::string& what) const;

  const std::string name_;
  const UniqueFd socket_;
  bool merged_ = false;  // before
};

}  // namespace memswitch
