// A port of the switch as the underlay of VTEPs: its frames come here, not to a bridge, and go to the VTEP whose address,
// VLAN and UDP port they are for.
//
// A frame to a tunnel is counted at this port as `consumed`, and comes in anew from the tunnel's port.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/worker.h"
#include "ports/vxlan_port.h"

namespace memswitch {

class VxlanCarrier final : public Vtep {
 public:
  using Ends = std::vector<PortUnderlay*>;

  explicit VxlanCarrier(Port& port);
  ~VxlanCarrier() override;

  // Control, before that worker polls.
  void add_worker(uint16_t worker);

  void take(Burst& burst, Worker& worker, Port& in) override;

  // Replaced by control as a whole; never empty while frames come.
  std::atomic<const Ends*> ends{nullptr};

 private:
  struct Verdict {
    VxlanPort* tunnel;  // null: it goes no further
    uint32_t offset;
    uint32_t length;
  };
  // Of the last frame in a burst.
  struct Sender {
    VxlanPort* tunnel = nullptr;
    IpAddress address{};
    RemoteIndex remote = kNoRemote;
    Mac station = 0;  // inside; 0: none was learned
  };
  struct Opened;

  Verdict accept(Burst& burst, uint16_t frame, std::span<const std::byte> head,
                 const PortUnderlay::Arrival& arrival, Worker& worker);
  Verdict judge(Burst& burst, uint16_t frame, Worker& worker, const Ends& all);
  void hear(const vxlan::NeighborMessage& message, Worker& worker, const Ends& all);
  void forward_inner(Burst& inner, std::span<Frame* const> outer, Worker& worker,
                     VxlanPort& tunnel);

  Port& port_;
  std::array<std::unique_ptr<Opened>, kMaxWorkers> opened_;  // by worker
};

}  // namespace memswitch
