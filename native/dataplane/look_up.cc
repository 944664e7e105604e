// Where each frame goes: one port, all others, or nowhere.
#include "dataplane/fate.h"
#include "dataplane/policy.h"
#include "dataplane/vepa.h"
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

// To all members of the bridge that are not kept apart from `in`.
void spread(Burst& burst, const Run& run, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  const Bridge::Members* members = bridge.members.load(std::memory_order_acquire);
  uint64_t replicas = 0;
  const uint8_t apart = in.apart.load(std::memory_order_relaxed);
  const uint16_t vlan = vlan_of(run.destination);
  const PortId sender = is_uplink(in, bridge) ? reflected_from(run, worker, bridge) : kNoPort;
  if (members != nullptr) {
    for (const Port* member : *members) {
      if (member != &in && member->id() != sender &&
          (apart & member->apart.load(std::memory_order_relaxed)) == 0 &&
          (vlan == 0 || carries(*member, vlan))) {
        worker.groups.of(member->id()).add(run.first, run.count);
        ++replicas;
      }
    }
  }
  if (replicas == 0) {
    drop(burst, run, sender == kNoPort ? Drop::kNoDestination : Drop::kReflected, counters);
  } else if (replicas > 1) {
    counters.copies.add((replicas - 1) * run.count);
    for (uint16_t i = run.first; i < run.first + run.count; ++i) {
      burst.frames[i].shared = true;
    }
  }
}

// What is for a group, or for nobody known: as far as the bridge, and the port's storm control, let it.
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
  if (bridge.flood.load(std::memory_order_relaxed)) {
    spread(burst, run, worker, in, bridge);
  } else {
    drop(burst, run, Drop::kNoDestination, counters);
  }
}

// The groups that a port of the groups `apart` shares with another; 0: they exchange frames.
uint8_t shared_groups(const Worker& worker, uint8_t apart, PortId to) {
  const Port* port = worker.shared.ports[to].load(std::memory_order_acquire);
  return port == nullptr ? uint8_t{0} : apart & port->apart.load(std::memory_order_relaxed);
}

// From one tunnel to another of the same bridge: what came from a full mesh has reached all of it already.
void keep_apart(Burst& burst, const Run& run, Worker& worker, const Port& in, const Bridge& bridge,
                uint8_t groups) {
  if ((groups & kVepa) != 0) {
    spread(burst, run, worker, in, bridge);  // to the uplinks
  } else {
    drop(burst, run, (groups & kTunnels) != 0 ? Drop::kSplitHorizon : Drop::kIsolated,
         worker.counters_of(in.id()));
  }
}

}  // namespace

void look_up(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  const uint8_t apart = in.apart.load(std::memory_order_relaxed);
  for (const Run& run : burst.all_runs()) {
    const Mac mac = run.destination;
    const PortId port = is_group(mac) ? kNoPort : bridge.macs.find(mac, run.destination_hash);
    if (port == in.id() && (apart & kVepa) == 0) [[unlikely]] {
      drop(burst, run, Drop::kSamePort, counters);
    } else if (port != kNoPort) [[likely]] {
      const uint8_t groups = apart == 0 ? uint8_t{0} : shared_groups(worker, apart, port);
      if (groups != 0) [[unlikely]] {
        keep_apart(burst, run, worker, in, bridge, groups);
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
