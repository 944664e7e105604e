#include "control/switch.h"

#include <sys/eventfd.h>

#include <set>
#include <thread>

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

Switch::Switch(const std::vector<WorkerOptions>& workers, Tell tell)
    : tell_(std::move(tell)),
      workers_(workers, shared_, reclaim_),
      alarm_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      devices_(workers_, reclaim_, alarm_.get()) {
  ids_[kNoPort] = true;
  const Guard guard(lock_);
  reactor_.watch(alarm_.get(), [this] { look_for_faults(); });
  reactor_.start([this] { tick(); });
}

Switch::~Switch() {
  close();
}

void Switch::close() {
  workers_.stop();
  while (workers_.running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  {
    const Guard guard(lock_);
    closed_ = true;
    // Tunnels first: others may be their underlays.
    for (const auto& [id, record] : ports_) {
      vxlan_.remove(id);
    }
    while (!ports_.empty()) {
      const PortId id = ports_.begin()->first;
      server_.remove(id, "the switch is closing");
      client_.remove(id, "the switch is closing");
      if (devices_.contains(id)) {
        release_device(id, ports_.begin()->second);
      }
      forget_port(id, ports_.begin()->second.bridge);
    }
    reclaim_.run();  // no worker runs, so all of it is possible
  }
  reactor_.stop();
}

// --- bridges -------------------------------------------------------------------------------------------------------

Status Switch::need_bridge(uint16_t number, std::shared_ptr<Bridge>& bridge) const {
  if (closed_) {
    return refuse(Code::kClosed, "the switch is closed");
  }
  bridge = bridges_.find(number);
  return bridge ? Status{} : refuse(Code::kNotFound, "no such bridge");
}

Status Switch::add_bridge(const BridgeOptions& options, uint16_t& bridge) {
  const Guard guard(lock_);
  return closed_ ? refuse(Code::kClosed, "the switch is closed") : bridges_.add(options, bridge);
}

Status Switch::set_bridge(uint16_t bridge, const BridgeOptions& options) {
  const Guard guard(lock_);
  return closed_ ? refuse(Code::kClosed, "the switch is closed") : bridges_.set(bridge, options);
}

Status Switch::remove_bridge(uint16_t number) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  if (Status status = need_bridge(number, bridge); !status.ok()) {
    return status;
  }
  for (const auto& [id, record] : ports_) {
    if (record.bridge == bridge) {
      return refuse(Code::kInUse, "the bridge has ports; remove or move them first");
    }
  }
  return bridges_.remove(number);
}

Status Switch::bridge_macs(uint16_t number, uint32_t& count) {
  const Guard guard(lock_);
  std::shared_ptr<Bridge> bridge;
  Status status = need_bridge(number, bridge);
  if (status.ok()) {
    count = bridge->macs.size();
  }
  return status;
}

void Switch::update_members(Bridge& bridge) {
  Bridge::Members members;
  bool has_vepa = false;
  for (const auto& [id, record] : ports_) {
    if (record.bridge.get() == &bridge && is_up(id, record) && !vxlan_.carries(id) &&
        !mirrors_.copies_to(id)) {
      members.push_back(record.port.get());
      has_vepa = has_vepa || record.policy_options.vepa;
    }
  }
  bridge.has_vepa.store(has_vepa);
  bridges_.set_members(bridge, std::move(members));
}

// --- ports ---------------------------------------------------------------------------------------------------------

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
  if (options.device || options.tap) {
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

namespace {

Status not_a_tunnel() {
  return refuse(Code::kInvalid, "the port is not a tunnel");
}

}  // namespace

// --- addresses -----------------------------------------------------------------------------------------------------

namespace {

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

// --- tunnels -------------------------------------------------------------------------------------------------------

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
    std::span<const std::pair<PortId, Mac>> addresses) {
  const Guard guard(lock_);
  std::vector<std::optional<IpAddress>> remotes;
  for (const auto& [port, mac] : addresses) {
    const Tunnel* tunnel = vxlan_.find(port);
    remotes.push_back(tunnel != nullptr ? tunnel->remote_of(mac) : std::nullopt);
  }
  return remotes;
}

// --- peers ---------------------------------------------------------------------------------------------------------

namespace {

std::vector<RxQueue*> queues_of(const MemifLink& link) {
  std::vector<RxQueue*> queues;
  for (const auto& queue : link.rx()) {
    queues.push_back(queue.get());
  }
  return queues;
}

}  // namespace

memif::Reason Switch::attached(PortId id, memif::Link link, memif::PeerCredentials peer) {
  Record& record = ports_.at(id);
  record.link =
      std::make_unique<MemifLink>(*record.port, std::move(link), alarm_.get(), record.station);
  for (RxQueue* queue : queues_of(*record.link)) {
    queue->polling = record.polling;
  }
  record.credentials = peer;
  ++record.attaches;
  record.memif->link.store(record.link.get());
  if (!workers_.add(queues_of(*record.link), {.workers = record.workers})) {
    record.memif->link.store(nullptr);
    reclaim_.retire(std::move(record.link));
    return {memif::Fault::kRefused, "the workers have too many queues"};
  }
  update_members(*record.bridge);
  tell_({.kind = Event::Kind::kLinkUp, .port = id, .text = record.link->peer()});
  return {};
}

void Switch::detached(PortId id, const std::string& reason) {
  Record& record = ports_.at(id);
  record.memif->link.store(nullptr);
  workers_.remove(queues_of(*record.link));
  reclaim_.retire(std::move(record.link));
  update_members(*record.bridge);
  record.last_error = reason;
  tell_({.kind = Event::Kind::kLinkDown, .port = id, .text = reason});
}

void Switch::refused(PortId id, const memif::Reason& reason) {
  Record& record = ports_.at(id);
  ++record.protocol_errors[static_cast<size_t>(reason.fault)];
  ++record.refusals;
  record.last_error = reason.text;
  tell_({.kind = Event::Kind::kProtocolError,
         .port = id,
         .fault = reason.fault,
         .text = reason.text});
}

// --- devices -------------------------------------------------------------------------------------------------------

Status Switch::make_device(const PortOptions& options, PortId id, Record& record) {
  const DevicePorts::Home home{.id = id,
                               .bridge = record.bridge.get(),
                               .mac_limit = quota_of(options.mac_limit),
                               .polling = options.polling,
                               .workers = options.workers};
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

// --- the control thread --------------------------------------------------------------------------------------------

void Switch::look_for_faults() {
  uint64_t alarms = 0;
  [[maybe_unused]] const ssize_t taken = ::read(alarm_.get(), &alarms, sizeof alarms);
  std::vector<std::pair<PortId, memif::Fault>> found;
  for (const auto& [id, record] : ports_) {
    if (record.link) {
      record.link->look_for_losses();
    }
    if (record.link && record.link->fault() != memif::Fault::kNone) {
      found.emplace_back(id, record.link->fault());
    }
  }
  for (const auto& [id, fault] : found) {
    refused(id, memif::Reason(fault));
    server_.expel(id, memif::words(fault));
    client_.disconnect(id, memif::words(fault));
  }
  look_at_devices();
}

void Switch::tick() {
  const auto up = std::chrono::steady_clock::now() - started_;
  const auto seconds =
      static_cast<uint16_t>(std::chrono::duration_cast<std::chrono::seconds>(up).count());
  if (seconds != shared_.clock.load()) {
    shared_.clock.store(seconds);
    each_second();
  }
  if (const uint64_t losses = memif::Guard::losses(); losses != losses_seen_) {
    losses_seen_ = losses;
    look_for_faults();
  }
  client_.tick();
  tell_notices();
  reclaim_.run();
}

void Switch::each_second() {
  limits_told_.clear();
  server_.expire();
  bridges_.age();
  vxlan_.each_second();
  workers_.each_second();
  look_at_devices();
}

void Switch::tell_notices() {
  uint64_t lost = 0;
  for (size_t w = 0; w < workers_.size(); ++w) {
    Notice notice{};
    for (int i = 0; i < kNoticesPerTick && workers_.notices(w).take(notice); ++i) {
      if (notice.kind == Notice::Kind::kMove) {
        tell_({.kind = Event::Kind::kMove,
               .port = notice.port,
               .from = notice.from,
               .bridge = notice.bridge,
               .mac = notice.mac});
        continue;
      }
      const bool port_full = notice.kind == Notice::Kind::kPortFull;
      const PortId port = port_full ? notice.port : kNoPort;
      if (limits_told_.emplace(std::pair{notice.bridge, port}, true).second) {
        tell_({.kind = port_full ? Event::Kind::kPortFull : Event::Kind::kTableFull,
               .port = port,
               .bridge = notice.bridge,
               .mac = notice.mac});
      }
    }
    lost += workers_.notices(w).lost();
  }
  if (lost != lost_told_) {
    tell_({.kind = Event::Kind::kLost, .count = lost - lost_told_});
    lost_told_ = lost;
  }
}

}  // namespace memswitch
