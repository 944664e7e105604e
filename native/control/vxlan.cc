#include "control/vxlan.h"

#include <algorithm>

#include "tables/bridge.h"

namespace memswitch {

namespace {

std::string name_of(const VtepOptions& vtep) {
  return vtep.local.text() + " port " + std::to_string(vtep.port);
}

}  // namespace

// --- VTEPs ---------------------------------------------------------------------------------------------------------

Underlay& Vxlan::Vtep::underlay() const {
  return kernel ? static_cast<Underlay&>(*kernel) : *port;
}

Status Vxlan::open_kernel(const VtepOptions& options, Vtep& vtep) {
  KernelSockets sockets;
  Status status = open_sockets(options, sockets);
  if (status.ok()) {
    vtep.kernel =
        std::make_unique<KernelUnderlay>(KernelUnderlay::Options{.local = options.local,
                                                                 .port = options.port,
                                                                 .inherit_dscp = options.dscp < 0,
                                                                 .segment = options.udp_checksum},
                                         std::move(sockets));
  }
  return status;
}

Status Vxlan::open_port(const VtepOptions& options, Port* carrier, Vtep& vtep) {
  if (carrier == nullptr || has(options.underlay)) {
    return refuse(Code::kInvalid, "the underlay must be a port that is not a tunnel");
  }
  if (carries(options.underlay)) {
    return refuse(Code::kInUse,
                  "the underlay has another VTEP; a port carries one address and UDP port");
  }
  std::vector<PortCounters*> counters;
  for (size_t w = 0; w < workers_.size(); ++w) {
    counters.push_back(&workers_.port_counters(w)[options.underlay]);
  }
  vtep.carrier = carrier;
  vtep.port = std::make_unique<PortUnderlay>(
      PortUnderlay::Options{.self = {options.local, options.mac, options.vlan},
                            .prefix = options.prefix,
                            .gateway = options.gateway,
                            .port = options.port,
                            .mtu = options.mtu,
                            .ttl = options.ttl,
                            .dscp = options.dscp,
                            .dont_fragment = options.dont_fragment,
                            .udp_checksum = options.udp_checksum,
                            .first_source_port = options.first_source_port,
                            .last_source_port = options.last_source_port},
      *carrier, std::move(counters), shared_.clock);
  return {};
}

// The one that is there already, if any. A VTEP has one TTL and so on, so those who share it must agree.
Status Vxlan::find_vtep(const VxlanOptions& options, Port* carrier, std::shared_ptr<Vtep>& vtep) {
  const VtepOptions& wanted = options.vtep;
  const auto found = std::ranges::find_if(vteps_, [&](const auto& other) {
    return other->options.underlay == wanted.underlay && other->options.netns == wanted.netns &&
           other->options.local == wanted.local && other->options.port == wanted.port;
  });
  if (found == vteps_.end()) {
    vtep = std::make_shared<Vtep>();
    vtep->options = wanted;
    return wanted.underlay == kNoPort ? open_kernel(wanted, *vtep)
                                      : open_port(wanted, carrier, *vtep);
  }
  vtep = *found;
  if (vtep->options != wanted) {
    return refuse(Code::kInvalid, "another tunnel at " + name_of(wanted) +
                                      " differs in ttl, dscp, df, udpChecksum, sourcePorts or how "
                                      "it reaches its remotes; they share a VTEP and must agree");
  }
  if (vtep->tunnels.contains(options.vni)) {
    return refuse(Code::kInUse, "another tunnel at " + name_of(wanted) + " has VNI " +
                                    std::to_string(options.vni));
  }
  return {};
}

// Frames come in from now on.
Status Vxlan::listen(Vtep& vtep, VxlanPort& first) {
  if (vtep.carrier != nullptr) {
    vtep.carrier->vtep.store(vtep.port.get());
    return {};
  }
  vtep.queue = std::make_unique<KernelRxQueue>(first, *vtep.kernel);
  RxQueue* queue = vtep.queue.get();
  return workers_.add({&queue, 1}) ? Status{}
                                   : refuse(Code::kLimit, "the workers have too many queues");
}

void Vxlan::close(Vtep& vtep) {
  if (vtep.carrier != nullptr) {
    vtep.carrier->vtep.store(nullptr);
  } else if (RxQueue* queue = vtep.queue.get()) {
    workers_.remove({&queue, 1});
  }
}

bool Vxlan::carries(PortId underlay) const {
  return std::ranges::any_of(vteps_, [underlay](const auto& vtep) {
    return vtep->carrier != nullptr && vtep->options.underlay == underlay;
  });
}

void Vxlan::publish(Vtep& vtep) {
  std::vector<VniTable::Tunnel> list;
  for (const auto& [vni, id] : vtep.tunnels) {
    list.push_back({vni, tunnels_.at(id).port});
  }
  auto next = std::make_unique<const VniTable>(std::move(list));
  vtep.underlay().tunnels.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(vtep.table, std::move(next)));
}

// --- tunnels -------------------------------------------------------------------------------------------------------

Status Vxlan::make(const VxlanOptions& options, PortId id, Bridge& bridge, uint32_t mac_limit,
                   uint32_t mac_table, Port* underlay, std::unique_ptr<VxlanPort>& port) {
  std::shared_ptr<Vtep> vtep;
  if (Status status = find_vtep(options, underlay, vtep); !status.ok()) {
    return status;
  }
  if (options.remotes.size() >= kMaxRemotes) {
    return refuse(Code::kLimit,
                  "a tunnel has at most " + std::to_string(kMaxRemotes - 1) + " remotes");
  }
  port = std::make_unique<VxlanPort>(
      id, &bridge, mac_limit,
      VxlanPort::Options{.vni = options.vni,
                         .learn_remotes = options.learn_remotes,
                         .split_horizon = options.split_horizon,
                         .mac_table = mac_table,
                         .workers = static_cast<uint16_t>(workers_.size())},
      vtep->underlay(), shared_.clock);
  Tunnel& tunnel = tunnels_[id];
  tunnel = {.port = port.get(), .vtep = vtep, .flood = nullptr};
  for (const IpAddress& remote : options.remotes) {
    port->remotes.add(remote);
  }
  publish_flood(tunnel);
  look_at_ways(tunnel);
  vtep->tunnels[options.vni] = id;
  publish(*vtep);
  if (vtep->tunnels.size() == 1) {
    vteps_.push_back(vtep);
    if (Status status = listen(*vtep, *port); !status.ok()) {
      remove(id);
      port.reset();
      return status;
    }
  }
  return {};
}

PortId Vxlan::remove(PortId id) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) {
    return kNoPort;
  }
  auto gone = std::make_shared<Tunnel>(std::move(found->second));
  tunnels_.erase(found);
  Vtep& vtep = *gone->vtep;
  vtep.tunnels.erase(gone->port->vni());
  if (!vtep.tunnels.empty()) {
    publish(vtep);
  } else {
    close(vtep);
    std::erase(vteps_, gone->vtep);
  }
  reclaim_.later([gone] {});
  return vtep.options.underlay;
}

Status Vxlan::need(PortId id, Tunnel*& tunnel) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) {
    return refuse(Code::kInvalid, "the port is not a tunnel");
  }
  tunnel = &found->second;
  return {};
}

// --- remotes -------------------------------------------------------------------------------------------------------

void Vxlan::publish_flood(Tunnel& tunnel) {
  std::vector<RemoteIndex> list;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    if (tunnel.port->remotes[index].state.load() == Remote::State::kConfigured) {
      list.push_back(index);
    }
  }
  auto next = std::make_unique<const std::vector<RemoteIndex>>(std::move(list));
  tunnel.port->flood.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(tunnel.flood, std::move(next)));
}

Status Vxlan::add_remote(PortId id, const IpAddress& address) {
  Tunnel* tunnel = nullptr;
  if (Status status = need(id, tunnel); !status.ok()) {
    return status;
  }
  if (address.is_ipv4() != tunnel->vtep->options.local.is_ipv4()) {
    return refuse(Code::kInvalid, "the remote must be of the local address's family");
  }
  const RemoteIndex known = tunnel->port->remotes.find(address);
  if (known != kNoRemote &&
      tunnel->port->remotes[known].state.load() == Remote::State::kConfigured) {
    return refuse(Code::kExists, address.text() + " is a remote of the tunnel already");
  }
  if (tunnel->port->remotes.add(address) == kNoRemote) {
    return refuse(Code::kLimit,
                  "a tunnel has at most " + std::to_string(kMaxRemotes - 1) + " remotes");
  }
  publish_flood(*tunnel);
  look_at_ways(*tunnel);
  return {};
}

Status Vxlan::remove_remote(PortId id, const IpAddress& address) {
  Tunnel* tunnel = nullptr;
  if (Status status = need(id, tunnel); !status.ok()) {
    return status;
  }
  const RemoteIndex index = tunnel->port->remotes.find(address);
  if (index == kNoRemote) {
    return refuse(Code::kNotFound, address.text() + " is not a remote of the tunnel");
  }
  drop_remote(*tunnel, index);
  publish_flood(*tunnel);
  return {};
}

// Its addresses go twice: now, so that nothing is sent there, and after the last burst that may have learned one more.
void Vxlan::drop_remote(Tunnel& tunnel, RemoteIndex index) {
  tunnel.port->remotes.leave(index);
  forget_remote(tunnel, index);
  reclaim_.later([this, id = tunnel.port->id(), port = tunnel.port, index] {
    const auto found = tunnels_.find(id);
    if (found == tunnels_.end() || found->second.port != port) {
      return;
    }
    forget_remote(found->second, index);
    for (uint16_t w = 0; w < workers_.size(); ++w) {
      RemoteCounters& counters = port->counters_of(index, w);
      for (Counter* counter : {&counters.rx_frames, &counters.rx_bytes, &counters.tx_frames,
                               &counters.tx_bytes, &counters.drops}) {
        counter->reset();
      }
    }
    port->remotes.free(index);
  });
}

void Vxlan::forget_remote(Tunnel& tunnel, RemoteIndex index) {
  MacTable& addresses = tunnel.port->addresses;
  addresses.sweep(
      0, addresses.buckets(), [index](const MacTable::Entry& entry) { return entry.port == index; },
      [&](const MacTable::Entry& entry) {
        if (!entry.is_static) {
          tunnel.port->addresses_quota.give_back();
        }
      });
}

// --- addresses -----------------------------------------------------------------------------------------------------

Status Vxlan::add_static(PortId id, Mac mac, const IpAddress& remote) {
  Tunnel* tunnel = nullptr;
  if (Status status = need(id, tunnel); !status.ok()) {
    return status;
  }
  RemoteTable& remotes = tunnel->port->remotes;
  const RemoteIndex index = remotes.find(remote);
  if (index == kNoRemote) {
    return refuse(Code::kNotFound,
                  remote.text() + " is not a remote of the tunnel; add it as one first");
  }
  MacTable::Entry was;
  if (!tunnel->port->addresses.set_static(mac, index, was)) {
    return refuse(Code::kLimit, "the tunnel's address table is full; raise macLimit");
  }
  if (was.port != kNoRemote && !was.is_static) {
    tunnel->port->addresses_quota.give_back();
  }
  return {};
}

void Vxlan::forget(PortId id, Mac mac) {
  const auto found = tunnels_.find(id);
  MacTable::Entry was;
  if (found != tunnels_.end() && found->second.port->addresses.remove(mac, was) && !was.is_static) {
    found->second.port->addresses_quota.give_back();
  }
}

uint32_t Vxlan::flush(PortId id, bool statics) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) {
    return 0;
  }
  VxlanPort& port = *found->second.port;
  uint32_t count = 0;
  port.addresses.sweep(
      0, port.addresses.buckets(),
      [statics](const MacTable::Entry& entry) { return statics || !entry.is_static; },
      [&](const MacTable::Entry& entry) {
        if (!entry.is_static) {
          port.addresses_quota.give_back();
        }
        ++count;
      });
  return count;
}

std::optional<IpAddress> Vxlan::remote_of(PortId id, Mac mac) const {
  const auto found = tunnels_.find(id);
  MacTable::Entry entry;
  if (found == tunnels_.end() || !found->second.port->addresses.look(mac, entry)) {
    return std::nullopt;
  }
  const Remote& remote = found->second.port->remotes[entry.port];
  return remote.is_known() ? std::optional(remote.address) : std::nullopt;
}

// --- once a second -------------------------------------------------------------------------------------------------

// As Bridges::age(), by the bridge's ageing time; a learned remote goes when it has been silent for as long.
void Vxlan::age(Tunnel& tunnel) {
  const Bridge* bridge = tunnel.port->bridge.load();
  const uint16_t limit = bridge == nullptr ? uint16_t{0} : bridge->ageing.load();
  if (limit == 0) {
    return;
  }
  const uint16_t now = shared_.clock.load();
  MacTable& addresses = tunnel.port->addresses;
  const uint64_t part = addresses.buckets() / std::max<uint64_t>(limit / 4, 1) + 1;
  addresses.sweep(
      tunnel.next_bucket, std::min(part, addresses.buckets()),
      [&](const MacTable::Entry& entry) {
        return !entry.is_static && static_cast<uint16_t>(now - entry.seen) > limit;
      },
      [&](const MacTable::Entry&) { tunnel.port->addresses_quota.give_back(); });
  tunnel.next_bucket += part;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    const Remote& remote = tunnel.port->remotes[index];
    const auto silent = static_cast<uint16_t>(now - remote.heard.load());
    if (remote.state.load() == Remote::State::kLearned && remote.heard_once.load() &&
        silent > limit) {
      drop_remote(tunnel, index);
    }
  }
}

void Vxlan::look_at_ways(Tunnel& tunnel) const {
  const Vtep& vtep = *tunnel.vtep;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    if (Remote& remote = tunnel.port->remotes[index]; remote.is_known()) {
      remote.mtu.store(vtep.kernel ? path_mtu(vtep.kernel->sockets().probe.get(), remote.address)
                                   : vtep.options.mtu);
    }
  }
}

void Vxlan::each_second() {
  for (auto& [id, tunnel] : tunnels_) {
    age(tunnel);
    look_at_ways(tunnel);
  }
}

// --- what is shown -------------------------------------------------------------------------------------------------

TunnelStatus Vxlan::status_of(PortId id, const Tunnel& tunnel) const {
  std::map<RemoteIndex, uint32_t> macs;
  tunnel.port->addresses.each([&](const MacTable::Entry& entry) { ++macs[entry.port]; });
  TunnelStatus status{.port = id, .remotes = {}};
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    const Remote& remote = tunnel.port->remotes[index];
    if (!remote.is_known()) {
      continue;
    }
    RemoteStatus& shown = status.remotes.emplace_back();
    shown.address = remote.address;
    shown.configured = remote.state.load() == Remote::State::kConfigured;
    shown.mtu = remote.mtu.load();
    shown.reachable =
        tunnel.vtep->kernel ? shown.mtu != 0 : tunnel.vtep->port->is_resolved(remote.address);
    shown.heard_s = remote.heard_once.load()
                        ? static_cast<uint16_t>(shared_.clock.load() - remote.heard.load())
                        : -1;
    shown.macs = macs[index];
    for (uint16_t w = 0; w < workers_.size(); ++w) {
      const RemoteCounters& counters = tunnel.port->counters_of(index, w);
      shown.rx_frames += counters.rx_frames.get();
      shown.rx_bytes += counters.rx_bytes.get();
      shown.tx_frames += counters.tx_frames.get();
      shown.tx_bytes += counters.tx_bytes.get();
      shown.drops += counters.drops.get();
    }
  }
  return status;
}

std::vector<TunnelStatus> Vxlan::status() const {
  std::vector<TunnelStatus> list;
  for (const auto& [id, tunnel] : tunnels_) {
    list.push_back(status_of(id, tunnel));
  }
  return list;
}

}  // namespace memswitch
