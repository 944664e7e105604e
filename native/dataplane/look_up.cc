// Where each frame goes: one port, all others, or nowhere.
#include <optional>

#include "dataplane/fate.h"
#include "dataplane/policy.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

namespace {

// IEEE 802.1Q table 8-1: 01:80:C2:00:00:00 to 0F stay on their link (pause, spanning tree, LLDP, LACP).
constexpr bool is_reserved(Mac mac) {
  return (mac & 0xf0ff'ffff'ffff) == 0x0000'00c2'8001;
}

bool carries(const Port& port, uint16_t vlan) {
  const Policy* policy = port.policy.load(std::memory_order_acquire);
  return policy != nullptr && policy->vlans && policy->vlans->carries(vlan);
}

void flood(Burst& burst, Run run, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  if (const Policy* policy = in.policy.load(std::memory_order_acquire)) [[unlikely]] {
    const uint16_t calm = calm_part(*policy, run, worker.now);
    Run rest = run;
    rest.first = static_cast<uint16_t>(run.first + calm);
    rest.count = static_cast<uint16_t>(run.count - calm);
    drop(burst, rest, Drop::kStorm, counters);
    run.count = calm;
    if (calm == 0) {
      return;
    }
  }
  const Bridge::Members* members = bridge.members.load(std::memory_order_acquire);
  uint64_t replicas = 0;
  const uint8_t apart = in.apart.load(std::memory_order_relaxed);
  const uint16_t vlan = vlan_of(run.destination);
  if (members != nullptr && bridge.flood.load(std::memory_order_relaxed)) {
    for (const Port* member : *members) {
      if (member != &in && (apart & member->apart.load(std::memory_order_relaxed)) == 0 &&
          (vlan == 0 || carries(*member, vlan))) {
        worker.groups.of(member->id()).add(run.first, run.count);
        ++replicas;
      }
    }
  }
  if (replicas == 0) {
    drop(burst, run, Drop::kNoDestination, counters);
  } else if (replicas > 1) {
    counters.copies.add((replicas - 1) * run.count);
    for (uint16_t i = run.first; i < run.first + run.count; ++i) {
      burst.frames[i].shared = true;
    }
  }
}

// Why a port of the groups `apart` sends nothing to another. From one tunnel to another of the same bridge: what came
// from a full mesh has reached all of it already.
std::optional<Drop> kept_apart(const Worker& worker, uint8_t apart, PortId to) {
  const Port* port = worker.shared.ports[to].load(std::memory_order_acquire);
  const uint8_t common =
      port == nullptr ? uint8_t{0} : apart & port->apart.load(std::memory_order_relaxed);
  return common == 0                ? std::nullopt
         : (common & kTunnels) != 0 ? std::optional(Drop::kSplitHorizon)
                                    : std::optional(Drop::kIsolated);
}

}  // namespace

void look_up(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  const uint8_t apart = in.apart.load(std::memory_order_relaxed);
  for (const Run& run : burst.all_runs()) {
    const Mac mac = run.destination;
    const PortId port = is_group(mac) ? kNoPort : bridge.macs.find(mac, run.destination_hash);
    if (port == in.id()) [[unlikely]] {
      drop(burst, run, Drop::kSamePort, counters);
    } else if (port != kNoPort) [[likely]] {
      const std::optional<Drop> why = apart != 0 ? kept_apart(worker, apart, port) : std::nullopt;
      if (why) [[unlikely]] {
        drop(burst, run, *why, counters);
      } else {
        worker.groups.of(port).add(run.first, run.count);
      }
    } else if (is_reserved(mac)) {
      drop(burst, run, Drop::kReserved, counters);
    } else {
      flood(burst, run, worker, in, bridge);
    }
  }
}

}  // namespace memswitch
