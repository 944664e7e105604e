// Our own ends of tunnels (VTEPs), each shared by the tunnels of one address and UDP port.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "control/reclaim.h"
#include "control/status.h"
#include "control/vxlan_sockets.h"
#include "control/workers.h"
#include "dataplane/worker.h"
#include "ports/vxlan.h"
#include "ports/vxlan_carrier.h"
#include "ports/vxlan_kernel_rx.h"
#include "ports/vxlan_port.h"

namespace memswitch {

struct OwnEnd {
  VtepOptions options;
  [[nodiscard]] Underlay& underlay() const;

  std::unique_ptr<KernelUnderlay> kernel;  // one of the two
  std::unique_ptr<PortUnderlay> port;
  std::unique_ptr<KernelRxQueue> queue;    // of the kernel's
  Port* carrier = nullptr;                 // of the port's
  std::unique_ptr<const VniTable> table;   // what underlay().tunnels points to
  std::map<uint32_t, VxlanPort*> tunnels;  // by VNI
};

class Vteps {
 public:
  Vteps(Shared& shared, Reclaim& reclaim, Workers& workers)
      : shared_(shared), reclaim_(reclaim), workers_(workers) {}

  // The end for a tunnel of that VNI: the one that is there already, or a new one. `carrier`: the underlay, if it is a port.
  Status find(const VtepOptions& options, uint32_t vni, Port* carrier,
              std::shared_ptr<OwnEnd>& end);
  // Frames come in for the tunnel from now on.
  Status join(const std::shared_ptr<OwnEnd>& end, VxlanPort& tunnel);
  // No more from the next burst on. What the end consists of is the caller's to keep until every worker has passed.
  void leave(const std::shared_ptr<OwnEnd>& end, const VxlanPort& tunnel);
  // Before a new worker polls.
  void add_worker(uint16_t worker);
  // Whether the port carries tunnels.
  [[nodiscard]] bool carries(PortId underlay) const;

 private:
  static Status open_kernel(const VtepOptions& options, OwnEnd& end);
  Status open_port(const VtepOptions& options, Port* carrier, OwnEnd& end);
  Status listen(OwnEnd& end, VxlanPort& first);
  void close(OwnEnd& end);
  void publish_ends(Port& carrier);
  void publish(OwnEnd& end);

  Shared& shared_;
  Reclaim& reclaim_;
  Workers& workers_;
  std::vector<std::shared_ptr<OwnEnd>> ends_;

  // A port that is an underlay, and the ends there.
  struct Carried {
    std::unique_ptr<VxlanCarrier> carrier;
    std::unique_ptr<const VxlanCarrier::Ends> ends;  // what carrier->ends points to
  };
  std::map<PortId, Carried> carried_;
};

}  // namespace memswitch
