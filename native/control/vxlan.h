// The tunnels of the switch: their VTEPs, which tunnels of the same address share, and their remotes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "control/reclaim.h"
#include "control/status.h"
#include "control/vxlan_sockets.h"
#include "control/workers.h"
#include "dataplane/worker.h"
#include "ports/vxlan.h"
#include "ports/vxlan_port.h"

namespace memswitch {

struct VxlanOptions {
  uint32_t vni = 0;
  VtepOptions vtep{};
  std::vector<IpAddress> remotes{};
  bool learn_remotes = false;
  bool split_horizon = true;
};

struct RemoteStatus {
  IpAddress address;
  bool configured;
  bool reachable;   // there is a way to it
  uint16_t mtu;     // of that way; 0: unknown
  int32_t heard_s;  // seconds since a frame came from it; -1: never
  uint32_t macs;
  uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, drops;
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
  [[nodiscard]] bool carries(PortId underlay) const;
  // Before the port goes: nothing comes in for it from the next burst on. Returns its underlay, if that is a port.
  PortId remove(PortId id);
  [[nodiscard]] bool has(PortId id) const { return tunnels_.contains(id); }

  Status add_remote(PortId id, const IpAddress& address);
  Status remove_remote(PortId id, const IpAddress& address);

  // An address that is, from now on, behind that remote of the tunnel whatever is heard.
  Status add_static(PortId id, Mac mac, const IpAddress& remote);
  // What the bridge forgets, the tunnel forgets as well.
  void forget(PortId id, Mac mac);
  uint32_t flush(PortId id, bool statics);
  // The remote that an address is behind, if the tunnel knows.
  [[nodiscard]] std::optional<IpAddress> remote_of(PortId id, Mac mac) const;

  std::vector<TunnelStatus> status() const;
  void each_second();

 private:
  struct Vtep {
    VtepOptions options;
    [[nodiscard]] Underlay& underlay() const;

    std::unique_ptr<KernelUnderlay> kernel;  // one of the two
    std::unique_ptr<PortUnderlay> port;
    std::unique_ptr<KernelRxQueue> queue;   // of the kernel's
    Port* carrier = nullptr;                // of the port's
    std::unique_ptr<const VniTable> table;  // what underlay().tunnels points to
    std::map<uint32_t, PortId> tunnels;     // by VNI
  };

  struct Tunnel {
    VxlanPort* port;
    std::shared_ptr<Vtep> vtep;
    std::unique_ptr<const std::vector<RemoteIndex>> flood;  // what port->flood points to
    uint64_t next_bucket = 0;                               // to look at for age
  };

  Status find_vtep(const VxlanOptions& options, Port* carrier, std::shared_ptr<Vtep>& vtep);
  Status open_kernel(const VtepOptions& options, Vtep& vtep);
  Status open_port(const VtepOptions& options, Port* carrier, Vtep& vtep);
  Status listen(Vtep& vtep, VxlanPort& first);
  void close(Vtep& vtep);
  void publish(Vtep& vtep);
  void publish_flood(Tunnel& tunnel);
  Status need(PortId id, Tunnel*& tunnel);
  void drop_remote(Tunnel& tunnel, RemoteIndex index);
  void forget_remote(Tunnel& tunnel, RemoteIndex index);
  void age(Tunnel& tunnel);
  void look_at_ways(Tunnel& tunnel) const;
  [[nodiscard]] TunnelStatus status_of(PortId id, const Tunnel& tunnel) const;

  Shared& shared_;
  Reclaim& reclaim_;
  Workers& workers_;
  std::map<PortId, Tunnel> tunnels_;
  std::vector<std::shared_ptr<Vtep>> vteps_;
};

}  // namespace memswitch
