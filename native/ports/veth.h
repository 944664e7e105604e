// A port over the host's end of a veth pair, whose other end is a container's. A macvtap in mode passthru stands on it and
// takes all that the container sends (native/control/veth.h says why), so that it is read and written as a TAP is.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ports/tap.h"

namespace memswitch {

class VethPort final : public TapPort {
 public:
  struct Ends {
    std::string host;   // the name of its interface
    uint64_t mac = 0;   // the container's address, first byte highest
    UniqueFd socket{};  // any, of the host's namespace
  };

  // `fd`: of the macvtap. `end`: what becomes of the interfaces when it closes.
  VethPort(PortId id, Bridge* home, uint32_t mac_limit, UniqueFd fd, uint16_t mtu, int alarm_fd,
           Ends ends, std::function<void()> end);
  ~VethPort() override { close(); }

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                PortCounters& counters) override;

  DeviceState state() override;
  uint64_t close() override;

 private:
  // 0: it is not there.
  [[nodiscard]] bool read_flags(int& flags) const;
  // Once it was down, each burst to it asks: nobody tells when the container sets it up.
  bool is_up();

  const Ends ends_;
  std::function<void()> end_;
};

}  // namespace memswitch
