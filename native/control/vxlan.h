// The tunnels of the switch.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "control/tunnel.h"
#include "control/vteps.h"

namespace memswitch {

struct VxlanOptions {
  uint32_t vni = 0;
  VtepOptions vtep{};
  std::vector<IpAddress> remotes{};
  bool learn_remotes = false;
  bool split_horizon = true;
  VxlanAnswers::Options answers{};
};

struct TunnelStatus {
  PortId port;
  std::vector<RemoteStatus> remotes;
};

class Vxlan {
 public:
  Vxlan(Shared& shared, Reclaim& reclaim, Workers& workers)
      : shared_(shared), reclaim_(reclaim), workers_(workers) {}

  // Makes the port of a tunnel, and its VTEP if it is the first there. `underlay`: the port of that number, if it is one.
  Status make(const VxlanOptions& options, PortId id, Bridge& bridge, uint32_t mac_limit,
              uint32_t mac_table, Port* underlay, std::unique_ptr<VxlanPort>& port);
  // Whether the port carries tunnels.
  [[nodiscard]] bool carries(PortId underlay) const { return vteps_.carries(underlay); }
  // Whether the port is a tunnel over that one.
  [[nodiscard]] bool is_over(PortId tunnel, PortId underlay) const;
  // Before the port goes: nothing comes in for it from the next burst on. Returns its underlay, if that is a port.
  PortId remove(PortId id);

  // A tunnel; null: the port is none.
  [[nodiscard]] Tunnel* find(PortId id) const;

  // Before a new worker polls.
  void add_worker(uint16_t worker);

  [[nodiscard]] std::vector<TunnelStatus> status() const;
  void each_second();

 private:
  Shared& shared_;
  Reclaim& reclaim_;
  Workers& workers_;
  Vteps vteps_{shared_, reclaim_, workers_};
  std::map<PortId, std::shared_ptr<Tunnel>> tunnels_;
};

}  // namespace memswitch
