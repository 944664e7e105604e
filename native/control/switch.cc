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
    heir_.reset();
  }
  reactor_.stop();
}

// --- bridges --------------------------------------------------------------------------------------------------------

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

// --- the control thread ---------------------------------------------------------------------------------------------

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
