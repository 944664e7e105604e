#include "control/bridges.h"

#include <algorithm>

namespace memswitch {

Status Bridges::add(const BridgeOptions& options, uint16_t& number) {
  for (number = 1; bridges_.contains(number); ++number) {
  }
  if (number >= kMaxBridges) {
    return refuse(Code::kLimit,
                  "a switch has at most " + std::to_string(kMaxBridges - 1) + " bridges");
  }
  bridges_[number].bridge = std::make_shared<Bridge>(number, options.mac_limit, options.vlans);
  return set(number, options);
}

Status Bridges::set(uint16_t number, const BridgeOptions& options) {
  const std::shared_ptr<Bridge> bridge = find(number);
  if (!bridge) {
    return refuse(Code::kNotFound, "no such bridge");
  }
  bridge->ageing.store(options.ageing);
  bridge->learn.store(options.learn);
  bridge->flood.store(options.flood);
  return {};
}

Status Bridges::remove(uint16_t number) {
  const auto found = bridges_.find(number);
  if (found == bridges_.end()) {
    return refuse(Code::kNotFound, "no such bridge");
  }
  set_members(*found->second.bridge, {});
  reclaim_.later([last = std::make_shared<Place>(std::move(found->second))] {});
  bridges_.erase(found);
  return {};
}

std::shared_ptr<Bridge> Bridges::find(uint16_t number) const {
  const auto found = bridges_.find(number);
  return found == bridges_.end() ? nullptr : found->second.bridge;
}

void Bridges::set_members(Bridge& bridge, Bridge::Members members) {
  Place& place = bridges_[bridge.id];
  auto next = std::make_unique<const Bridge::Members>(std::move(members));
  bridge.members.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(place.members, std::move(next)));
}

void Bridges::forget(const MacTable::Entry& entry) {
  if (entry.is_static) {
    return;
  }
  if (Port* port = shared_.ports[entry.port].load()) {
    port->macs.give_back();
  }
}

Status Bridges::add_static(Bridge& bridge, Mac mac, PortId port) {
  MacTable::Entry was;
  if (!bridge.macs.set_static(mac, port, was)) {
    return refuse(Code::kLimit, "the bridge's address table is full; raise macLimit");
  }
  if (was.port != kNoPort) {
    forget(was);
  }
  return {};
}

bool Bridges::remove_mac(Bridge& bridge, Mac mac) {
  MacTable::Entry was;
  if (!bridge.macs.remove(mac, was)) {
    return false;
  }
  forget(was);
  return true;
}

bool Bridges::relearn(Bridge& bridge, Mac mac, Port& port, uint16_t age) {
  const uint16_t limit = bridge.ageing.load();
  MacTable::Entry known;
  if ((limit != 0 && age > limit) || bridge.macs.look(mac, known)) {
    return false;
  }
  const auto seen = static_cast<MacTable::Age>(shared_.clock.load() - age);
  const auto learn = [&] {
    return bridge.macs.learn(mac, bridge.macs.hash_in_vlan(mac), port.id(), port.macs, seen).result;
  };
  MacTable::Learned result = learn();
  // A poll thread changes the same bucket just now.
  for (int i = 0; result == MacTable::Learned::kBusy && i < 100; ++i) {
    result = learn();
  }
  return result == MacTable::Learned::kAdded;
}

uint32_t Bridges::flush(Bridge& bridge, PortId port, Which which) {
  uint32_t count = 0;
  bridge.macs.sweep(
      0, bridge.macs.buckets(),
      [port, which](const MacTable::Entry& entry) {
        return (port == kNoPort || entry.port == port) &&
               (which == Which::kAll || !entry.is_static);
      },
      [this, &count](const MacTable::Entry& entry) {
        forget(entry);
        ++count;
      });
  return count;
}

void Bridges::age() {
  for (auto& [number, place] : bridges_) {
    Bridge& bridge = *place.bridge;
    const uint16_t limit = bridge.ageing.load();
    if (limit == 0) {
      continue;
    }
    // All of it in a quarter of the ageing time, so an address outlives its time by a quarter at most.
    const uint64_t part = bridge.macs.buckets() / std::max<uint64_t>(limit / 4, 1) + 1;
    bridge.macs.sweep(
        place.next_bucket, std::min(part, bridge.macs.buckets()),
        [this, limit](const MacTable::Entry& entry) {
          return !entry.is_static && age_of(entry) > limit;
        },
        [this](const MacTable::Entry& entry) { forget(entry); });
    place.next_bucket += part;
  }
}

}  // namespace memswitch
