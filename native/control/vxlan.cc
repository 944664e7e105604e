#include "control/vxlan.h"

namespace memswitch {

Status Vxlan::make(const VxlanOptions& options, PortId id, Bridge& bridge, uint32_t mac_limit,
                   uint32_t mac_table, Port* underlay, std::unique_ptr<VxlanPort>& port) {
  if (options.remotes.size() >= kMaxRemotes) {
    return refuse(Code::kLimit,
                  "a tunnel has at most " + std::to_string(kMaxRemotes - 1) + " remotes");
  }
  // A tunnel carries no tunnel.
  Port* const carrier = find(options.vtep.underlay) == nullptr ? underlay : nullptr;
  std::shared_ptr<OwnEnd> end;
  if (Status status = vteps_.find(options.vtep, options.vni, carrier, end); !status.ok()) {
    return status;
  }
  port = std::make_unique<VxlanPort>(id, &bridge, mac_limit,
                                     VxlanPort::Options{.vni = options.vni,
                                                        .learn_remotes = options.learn_remotes,
                                                        .split_horizon = options.split_horizon,
                                                        .answers = options.answers,
                                                        .mac_table = mac_table},
                                     end->underlay(), shared_);
  for (uint16_t w = 0; w < workers_.size(); ++w) {
    port->add_worker(w, workers_.port_counters(w).data());
  }
  auto tunnel = std::make_shared<Tunnel>(*port, end, reclaim_, shared_.clock);
  tunnel->set_remotes(options.remotes);
  tunnels_[id] = tunnel;
  if (Status status = vteps_.join(end, *port); !status.ok()) {
    remove(id);
    port.reset();
    return status;
  }
  return {};
}

bool Vxlan::is_over(PortId tunnel, PortId underlay) const {
  const Tunnel* found = find(tunnel);
  return found != nullptr && found->end()->options.underlay == underlay;
}

PortId Vxlan::remove(PortId id) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) {
    return kNoPort;
  }
  const std::shared_ptr<Tunnel> gone = found->second;
  tunnels_.erase(found);
  vteps_.leave(gone->end(), gone->port());
  reclaim_.later([gone] {});
  return gone->end()->options.underlay;
}

Tunnel* Vxlan::find(PortId id) const {
  const auto found = tunnels_.find(id);
  return found == tunnels_.end() ? nullptr : found->second.get();
}

void Vxlan::add_worker(uint16_t worker) {
  for (const auto& [id, tunnel] : tunnels_) {
    tunnel->port().add_worker(worker, workers_.port_counters(worker).data());
  }
  vteps_.add_worker(worker);
}

void Vxlan::each_second() {
  for (const auto& [id, tunnel] : tunnels_) {
    tunnel->each_second();
  }
}

std::vector<TunnelStatus> Vxlan::status() const {
  std::vector<TunnelStatus> list;
  for (const auto& [id, tunnel] : tunnels_) {
    list.push_back({id, tunnel->status()});
  }
  return list;
}

}  // namespace memswitch
