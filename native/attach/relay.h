// The way between a memif socket and a TAP interface, in a container whose programs know the kernel only. One thread moves
// frames in bursts, without a copy of its own: the kernel reads from and writes to the shared memory. It sleeps whenever
// there is nothing to move.
//
// The interface has a carrier exactly while the link is up.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "control/endpoint.h"
#include "control/tap.h"
#include "memif/fd.h"

namespace memswitch {

class Relay final : private Endpoint::Listener {
 public:
  struct Totals {
    uint64_t to_switch = 0;
    uint64_t to_kernel = 0;
    uint64_t dropped = 0;  // longer than the buffers, or the kernel took none
  };

  Relay(TapOptions tap, EndpointOptions endpoint);

  // Makes the interface and begins to connect.
  Status open();
  // Moves frames until `stop_fd` is readable, or the interface is deleted (not ok).
  Status run(int stop_fd);

  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  void up(std::shared_ptr<EndpointLink> link) override;
  void down(const std::string& reason) override;
  void change(std::shared_ptr<EndpointLink> link, const std::string& text);

  void take_link();
  bool to_switch();
  bool to_kernel();
  void write_frame(const Frame& frame);
  void set_carrier(bool carrier);
  // False: asked to stop.
  bool sleep();
  void watch(int fd);

  TapOptions tap_options_;
  UniqueFd tap_;
  UniqueFd epoll_;
  UniqueFd changed_;  // an eventfd: there is another link, or none
  int stop_fd_ = -1;

  std::mutex lock_;
  std::shared_ptr<EndpointLink> next_;  // by the control thread

  std::shared_ptr<EndpointLink> link_;
  bool is_full_ = false;  // of the ring to the switch
  bool is_gone_ = false;
  Totals totals_;
  Burst burst_;
  std::vector<EndpointLink::Place> places_;
  std::vector<uint32_t> lengths_;
  Endpoint endpoint_;
};

}  // namespace memswitch
