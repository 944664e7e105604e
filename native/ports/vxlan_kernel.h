// The underlay `kernel`: UDP sockets of the host's own stack. It needs no privilege and no device; routes, neighbours and
// firewalls are the host's.
//
// One socket receives for all tunnels of a VTEP (ports/vxlan_kernel_rx.h). A socket's source port is fixed, so a few sockets send, each bound to a
// port of its own, and the inner flow's hash chooses one (RFC 7348, 4.2): sixteen ports spread flows over equal paths
// almost as well as all 16,384, and a raw socket, which could set any port, would need a privilege.
//
// Bursts go in and out by sendmmsg and recvmmsg. Frames of one flow and size leave as one datagram that the stack cuts
// up at its end (UDP_SEGMENT), and come in likewise joined (UDP_GRO).
#pragma once

#include <atomic>
#include <vector>

#include "memif/fd.h"
#include "ports/underlay.h"
#include "vxlan/wire.h"

namespace memswitch {

struct KernelSockets {
  UniqueFd rx;
  std::vector<UniqueFd> tx;  // at least one
  UniqueFd probe;            // control's, to ask the routes
};

class KernelUnderlay final : public Underlay {
 public:
  struct Options {
    IpAddress local;
    uint16_t port = vxlan::kUdpPort;
    bool inherit_dscp = false;
    bool segment = true;  // UDP_SEGMENT: wants checksums
  };
  KernelUnderlay(const Options& options, KernelSockets sockets)
      : options_(options), sockets_(std::move(sockets)), segment_(options.segment) {}

  void send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel, uint16_t worker,
            PortCounters& counters) override;

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const KernelSockets& sockets() const { return sockets_; }

 private:
  class Sender;

  const Options options_;
  const KernelSockets sockets_;
  std::atomic<bool> segment_;  // false once the way out has turned out not to do it
};

}  // namespace memswitch
