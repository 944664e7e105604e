// Addresses of bridges, and the remotes that those behind tunnels are behind.
#include "control/switch.h"

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

namespace {

Status not_a_tunnel() {
  return refuse(Code::kInvalid, "the port is not a tunnel");
}

// The address with each VLAN that the bridge may have it in: the one it names, or all.
template <typename Each>
void each_vlan_of(const Bridge& bridge, Mac mac, Each each) {
  if (!bridge.vlans || vlan_of(mac) != 0) {
    each(mac);
    return;
  }
  for (uint16_t vlan = 1; vlan <= kMaxVlan; ++vlan) {
    each(with_vlan(mac, vlan));
  }
}

}  // namespace

Status Switch::each_mac(uint16_t number, const Visit& visit) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Status status = need_bridge(number, bridge);
  if (status.ok()) {
    bridge->macs.each([&](const MacTable::Entry& entry) { visit(entry, bridges_.age_of(entry)); });
  }
  return status;
}

Status Switch::find_mac(uint16_t number, Mac mac, const Visit& visit) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Status status = need_bridge(number, bridge);
  if (status.ok() && mac != 0) {
    each_vlan_of(*bridge, mac, [&](Mac in_vlan) {
      if (MacTable::Entry entry; bridge->macs.look(in_vlan, entry)) {
        visit(entry, bridges_.age_of(entry));
      }
    });
  }
  return status;
}

// Gives an address its VLAN, or finds that the port does not carry the one it has.
Status Switch::complete_vlan(const Record& record, Mac& mac) {
  const VlanOptions& vlans = record.policy_options.vlans;
  const uint16_t given = vlan_of(mac);
  if (!record.bridge->vlans) {
    return given == 0 ? Status{} : refuse(Code::kInvalid, "the bridge has no VLANs");
  }
  const uint16_t vlan = given == 0 ? vlans.untagged : given;
  if (vlan == 0 || !carries(vlans, vlan)) {
    return refuse(Code::kInvalid, vlan == 0 ? "the port has no VLAN without a tag; name one"
                                            : "the port does not carry that VLAN");
  }
  mac = with_vlan(mac & kMacMask, vlan);
  return {};
}

Status Switch::add_static_mac(uint16_t number, Mac mac, PortId id,
                              const std::optional<IpAddress>& remote) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Record* record = nullptr;
  if (Status status = need_bridge(number, bridge); !status.ok()) {
    return status;
  }
  if (Status status = need_port(id, record); !status.ok()) {
    return status;
  }
  if (record->bridge != bridge) {
    return refuse(Code::kInvalid, "the port is not in that bridge");
  }
  if ((mac & kMacMask) == 0 || is_group(mac)) {
    return refuse(Code::kInvalid, "the address is zero or a group address");
  }
  if (Status status = complete_vlan(*record, mac); !status.ok()) {
    return status;
  }
  Tunnel* const tunnel = vxlan_.find(id);
  if (tunnel != nullptr && !remote) {
    tunnel->forget(mac & kMacMask);  // the remote that it was behind until now
  }
  if (remote) {
    if (Status status = tunnel ? tunnel->add_static(mac & kMacMask, *remote) : not_a_tunnel();
        !status.ok()) {
      return status;
    }
  }
  return bridges_.add_static(*bridge, mac, id);
}

Status Switch::remove_mac(uint16_t number, Mac mac, bool& removed) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Status status = need_bridge(number, bridge);
  if (status.ok()) {
    removed = false;
    if (mac != 0) {
      each_vlan_of(*bridge, mac, [&](Mac in_vlan) {
        removed = bridges_.remove_mac(*bridge, in_vlan) || removed;
      });
    }
    for (const auto& [id, record] : ports_) {
      if (Tunnel* tunnel = vxlan_.find(id); tunnel != nullptr && record.bridge == bridge) {
        tunnel->forget(mac & kMacMask);
      }
    }
  }
  return status;
}

// One by one through what poll threads learn by, so quotas and statics hold; an address that is known already stays as it is.
uint32_t Switch::relearn(uint16_t number, std::span<const MacTable::Entry> kept) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  if (!need_bridge(number, bridge).ok()) {
    return 0;
  }
  uint32_t count = 0;
  for (const MacTable::Entry& entry : kept) {
    const auto port = ports_.find(entry.port);
    Mac mac = entry.mac;
    if (port == ports_.end() || port->second.bridge != bridge || port->second.is_tunnel ||
        (mac & kMacMask) == 0 || is_group(mac) || !complete_vlan(port->second, mac).ok()) {
      continue;
    }
    count += bridges_.relearn(*bridge, mac, *port->second.port, entry.seen) ? 1 : 0;
  }
  return count;
}

Status Switch::flush_macs(uint16_t number, PortId port, uint32_t& count) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Status status = need_bridge(number, bridge);
  if (status.ok()) {
    count = bridges_.flush(*bridge, port, Bridges::Which::kLearned);
    for (const auto& [id, record] : ports_) {
      Tunnel* const tunnel = port == kNoPort || port == id ? vxlan_.find(id) : nullptr;
      if (tunnel != nullptr && record.bridge == bridge) {
        tunnel->flush(false);
      }
    }
  }
  return status;
}

// --- tunnels --------------------------------------------------------------------------------------------------------

std::vector<TunnelStatus> Switch::tunnels() {
  const Guard guard(lock_);
  return vxlan_.status();
}

Status Switch::need_tunnel(PortId id, Tunnel*& tunnel) {
  Record* record = nullptr;
  if (Status status = need_port(id, record); !status.ok()) {
    return status;
  }
  tunnel = vxlan_.find(id);
  return tunnel != nullptr ? Status{} : not_a_tunnel();
}

Status Switch::add_remote(PortId id, const IpAddress& remote) {
  const Guard guard(lock_);
  Tunnel* tunnel = nullptr;
  const Status status = need_tunnel(id, tunnel);
  return status.ok() ? tunnel->add_remote(remote) : status;
}

Status Switch::remove_remote(PortId id, const IpAddress& remote) {
  const Guard guard(lock_);
  Tunnel* tunnel = nullptr;
  const Status status = need_tunnel(id, tunnel);
  return status.ok() ? tunnel->remove_remote(remote) : status;
}

std::vector<std::optional<IpAddress>> Switch::remotes_of(
    std::span<const std::pair<PortId, Mac>> addresses, bool only_static) {
  const Guard guard(lock_);
  std::vector<std::optional<IpAddress>> remotes;
  for (const auto& [port, mac] : addresses) {
    const Tunnel* tunnel = vxlan_.find(port);
    remotes.push_back(tunnel != nullptr ? tunnel->remote_of(mac, only_static) : std::nullopt);
  }
  return remotes;
}

}  // namespace memswitch
