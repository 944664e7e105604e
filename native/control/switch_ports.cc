// Ports, as far as they are more than a matter of their kind: made, changed, removed, listed.
#include "control/switch.h"

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

Status Switch::need_port(PortId id, Record*& record) {
  if (closed_) {
    return refuse(Code::kClosed, "the switch is closed");
  }
  const auto found = ports_.find(id);
  if (found == ports_.end()) {
    return refuse(Code::kNotFound, "no such port");
  }
  record = &found->second;
  return {};
}

PortId Switch::free_id() const {
  for (PortId id = 1; id < kMaxPorts; ++id) {
    if (!ids_[id]) {
      return id;
    }
  }
  return kNoPort;
}

namespace {

uint32_t quota_of(uint32_t mac_limit) {
  return mac_limit == 0 ? kMaxMacs : mac_limit;
}

}  // namespace

Status Switch::add_port(const PortOptions& options, PortId& id) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  if (Status status = need_bridge(options.bridge, bridge); !status.ok()) {
    return status;
  }
  reclaim_.run();
  id = free_id();
  if (id == kNoPort) {
    return refuse(Code::kLimit, "a switch has at most " + std::to_string(kMaxPorts - 1) + " ports");
  }
  Record record;
  record.bridge = std::move(bridge);
  if (Status status = make_port(options, id, record); !status.ok()) {
    return status;
  }
  record.port->max_frame.store(options.max_frame);
  record.policy_options = options.policy;
  renew_policy(record);
  record.polling = options.polling;
  record.workers = options.workers;
  record.station = options.station;
  ids_[id] = true;
  ++membership_;
  record.port->senders = workers_.in_service();
  shared_.ports[id].store(record.port.get());
  Bridge& home = *record.bridge;
  ports_[id] = std::move(record);
  update_members(home);
  look_at_devices();
  return {};
}

Status Switch::make_port(const PortOptions& options, PortId id, Record& record) {
  if (options.device || options.tap || options.veth) {
    return make_device(options, id, record);
  }
  return options.vxlan ? make_tunnel(options, id, record) : make_memif(options, id, record);
}

memif::ClientOptions client_options(const PortOptions& options, const std::string& name) {
  const uint8_t cache_line = options.interface.cache_line;
  return {.id = options.place.id,
          .name = name,
          .secret = options.interface.secret,
          .queues = options.interface.queues,
          .log2_ring_size = options.interface.log2_ring_size,
          .buffer_size = options.buffer_size,
          .mode = options.interface.mode,
          .cache_line = cache_line == 0 ? memif::kCacheLine : cache_line};
}

Status Switch::make_memif(const PortOptions& options, PortId id, Record& record) {
  if (!options.is_client) {
    if (Status status = server_.add(options.place, id, options.interface, options.allowed);
        !status.ok()) {
      return status;
    }
  }
  auto port = std::make_unique<MemifPort>(id, record.bridge.get(), quota_of(options.mac_limit));
  record.memif = port.get();
  record.port = std::move(port);
  if (options.is_client) {
    client_.add(options.place.socket, options.place.netns, id,
                client_options(options, "memswitch"));
  }
  return {};
}

Status Switch::make_tunnel(const PortOptions& options, PortId id, Record& record) {
  const uint32_t table = options.mac_limit == 0 ? record.bridge->macs.limit() : options.mac_limit;
  const PortId number = options.vxlan->vtep.underlay;
  if (mirrors_.copies_to(number)) {
    return refuse(Code::kInUse,
                  "the underlay gets the copies of a mirror; remove the mirror first");
  }
  const auto underlay = ports_.find(number);
  const bool found = underlay != ports_.end();
  std::unique_ptr<VxlanPort> port;
  Status status = vxlan_.make(*options.vxlan, id, *record.bridge, quota_of(options.mac_limit),
                              table, found ? underlay->second.port.get() : nullptr, port);
  if (status.ok() && found) {
    leave_bridge(number, underlay->second);
  }
  record.port = std::move(port);
  record.is_tunnel = true;
  return status;
}

// A port that carries tunnels takes no part in its bridge: its frames are those of the underlay.
void Switch::leave_bridge(PortId id, Record& underlay) {
  underlay.port->bridge.store(nullptr);
  renew_policy(underlay);
  update_members(*underlay.bridge);
  const std::shared_ptr<Bridge> home = underlay.bridge;
  bridges_.flush(*home, id, Bridges::Which::kAll);
  reclaim_.later([this, home, id] { bridges_.flush(*home, id, Bridges::Which::kAll); });
}

// The last tunnel over it has gone.
void Switch::return_to_bridge(Record& former) {
  former.port->bridge.store(former.bridge.get());
  renew_policy(former);
  update_members(*former.bridge);
}

// Others must not stand on the port.
Status Switch::need_leisure(PortId id) const {
  if (vxlan_.carries(id)) {
    return refuse(Code::kInUse, "the port is the underlay of a tunnel; remove the tunnel first");
  }
  if (mirrors_.copies_to(id)) {
    return refuse(Code::kInUse, "the port gets the copies of a mirror; remove the mirror first");
  }
  return {};
}

Status Switch::set_port(PortId id, uint16_t number, uint32_t mac_limit, uint32_t max_frame) {
  const Guard guard(lock_);
  Record* record = nullptr;
  std::shared_ptr<Bridge> next;
  if (Status status = need_port(id, record); !status.ok()) {
    return status;
  }
  if (Status status = need_bridge(number, next); !status.ok()) {
    return status;
  }
  record->port->macs.set_limit(quota_of(mac_limit));
  record->port->max_frame.store(max_frame);
  if (next == record->bridge) {
    return {};
  }
  if (vxlan_.carries(id)) {
    return refuse(Code::kInUse, "the port is the underlay of a tunnel; remove the tunnel first");
  }
  if (mirrors_.copies_to(id)) {
    record->bridge = next;  // where it will be afterwards
    return {};
  }
  const std::shared_ptr<Bridge> before = std::exchange(record->bridge, next);
  record->port->bridge.store(next.get());
  if (before->vlans || next->vlans) {
    renew_policy(*record);
  }
  update_members(*before);
  update_members(*next);
  // Twice: now, so that nothing finds the port by its old addresses, and after the last burst that still knew the
  // old bridge and may have learned one more.
  bridges_.flush(*before, id, Bridges::Which::kAll);
  if (Tunnel* tunnel = vxlan_.find(id)) {
    tunnel->flush(true);
  }
  reclaim_.later([this, before, id] { bridges_.flush(*before, id, Bridges::Which::kAll); });
  return {};
}

Status Switch::set_policy(PortId id, const PolicyOptions& policy) {
  const Guard guard(lock_);
  Record* record = nullptr;
  Status status = need_port(id, record);
  if (!status.ok()) {
    return status;
  }
  const bool other_vlans = record->policy_options.vlans != policy.vlans;
  const bool other_vepa = record->policy_options.vepa != policy.vepa;
  record->policy_options = policy;
  renew_policy(*record);
  if (other_vepa) {
    update_members(*record->bridge);
  }
  if (other_vlans && record->bridge->vlans) {
    const std::shared_ptr<Bridge> bridge = record->bridge;
    const auto flush = [this, bridge, id] {
      bridges_.flush(*bridge, id, Bridges::Which::kLearned);
    };
    flush();
    reclaim_.later(flush);
  }
  return {};
}

// Of the options as they are, in the bridge as it is. A port that carries tunnels has no VLANs: it is in none.
void Switch::renew_policy(Record& record) {
  Port& port = *record.port;
  const PolicyOptions& options = record.policy_options;
  const auto others = static_cast<uint8_t>(port.apart.load() & ~(kIsolated | kVepa));
  port.apart.store(static_cast<uint8_t>(others | (options.isolated ? kIsolated : 0) |
                                        (options.vepa ? kVepa : 0)));
  const bool vlans = port.bridge.load() != nullptr && record.bridge->vlans;
  std::unique_ptr<const Policy> next = make_policy(options, vlans);
  devices_.filter(port.id(), next ? next->vlans.get() : nullptr);
  port.policy.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(record.policy, std::move(next)));
}

Status Switch::remove_port(PortId id) {
  const Guard guard(lock_);
  Record* record = nullptr;
  if (Status status = need_port(id, record); !status.ok()) {
    return status;
  }
  if (Status status = need_leisure(id); !status.ok()) {
    return status;
  }
  server_.remove(id, "the port was removed");
  client_.remove(id, "the port was removed");
  if (devices_.contains(id)) {
    release_device(id, *record);
  }
  const PortId underlay = vxlan_.remove(id);
  if (underlay != kNoPort && !vxlan_.carries(underlay)) {
    return_to_bridge(ports_.at(underlay));
  }
  forget_port(id, record->bridge);
  return {};
}

// After its link has gone: out of everybody's sight, then out of the tables, then its number is free again.
void Switch::forget_port(PortId id, const std::shared_ptr<Bridge>& bridge) {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `bridge` is of a record that goes
  const std::shared_ptr<Bridge> home = bridge;
  devices_.forget(id);
  auto gone = std::make_shared<Record>(std::move(ports_.at(id)));
  ports_.erase(id);
  ++membership_;
  gone->port->bridge.store(nullptr);
  shared_.ports[id].store(nullptr);
  captures_.forget(id);
  mirrors_.forget(id);
  if (gone->is_tunnel) {
    update_members(*home);
  }
  bridges_.flush(*home, id, Bridges::Which::kAll);
  reclaim_.later([this, id, home, gone] {
    bridges_.flush(*home, id, Bridges::Which::kAll);
    workers_.reset_counters(id);
    ids_[id] = false;
  });
  reclaim_.run();
}

std::vector<PortState> Switch::port_states() {
  const Guard guard(lock_);
  std::vector<PortState> states;
  for (const auto& [id, record] : ports_) {
    PortState state{.id = id,
                    .link = is_up(id, record),
                    .macs = record.port->macs.used(),
                    .last_error = record.last_error,
                    .attaches = record.attaches,
                    .protocol_errors = record.protocol_errors};
    if (devices_.contains(id)) {
      state.device = devices_.state(id);
      state.statistics = devices_.statistics(id);
    }
    if (record.link) {
      state.queues = record.link->queues();
      state.ring_size = record.link->ring_size();
      state.peer = record.link->peer();
      state.credentials = record.credentials;
    }
    states.push_back(std::move(state));
  }
  return states;
}

void Switch::each_port(const std::function<void(const PortBrief&)>& visit) {
  const Guard guard(lock_);
  for (const auto& [id, record] : ports_) {
    visit({.id = id,
           .link = is_up(id, record),
           .is_device = devices_.contains(id),
           .attaches = record.attaches,
           .refusals = record.refusals,
           .protocol_errors = record.protocol_errors});
  }
}

uint64_t Switch::membership() {
  const Guard guard(lock_);
  return membership_;
}

// --- devices --------------------------------------------------------------------------------------------------------

Status Switch::make_device(const PortOptions& options, PortId id, Record& record) {
  const DevicePorts::Home home{.id = id,
                               .bridge = record.bridge.get(),
                               .mac_limit = quota_of(options.mac_limit),
                               .polling = options.polling,
                               .workers = options.workers};
  if (options.veth) {
    return devices_.add(*options.veth, home, record.port);
  }
  return options.tap ? devices_.add(*options.tap, home, record.port)
                     : devices_.add(*options.device, home, record.port);
}

// Out of everybody's sight first: whoever has passed after that can't be in it. When we return the device is free.
void Switch::release_device(PortId id, Record& record) {
  shared_.ports[id].store(nullptr);
  devices_.set_down(id);
  update_members(*record.bridge);
  devices_.release(id);
}

void Switch::look_at_devices() {
  for (const DevicePorts::Change& change : devices_.look()) {
    Record& record = ports_.at(change.port);
    update_members(*record.bridge);
    if (change.gone) {
      release_device(change.port, record);
    }
    if (change.up) {
      ++record.attaches;
    } else {
      record.last_error = change.text;
    }
    tell_({.kind = change.up ? Event::Kind::kLinkUp : Event::Kind::kLinkDown,
           .port = change.port,
           .text = change.text});
  }
}

}  // namespace memswitch
