// Where each frame goes: one port, all others, or nowhere.
#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

namespace {

// IEEE 802.1Q table 8-1: 01:80:C2:00:00:00 to 0F stay on their link (pause, spanning tree, LLDP, LACP).
constexpr bool is_reserved(Mac mac) {
  return (mac & 0xf0ff'ffff'ffff) == 0x0000'00c2'8001;
}

void flood(Burst& burst, const Run& run, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  const Bridge::Members* members = bridge.members.load(std::memory_order_acquire);
  uint64_t replicas = 0;
  if (members != nullptr && bridge.flood.load(std::memory_order_relaxed)) {
    for (const Port* member : *members) {
      if (member != &in && !(in.split_horizon && member->split_horizon)) {
        worker.groups.of(member->id()).add(run.first, run.count);
        ++replicas;
      }
    }
  }
  if (replicas == 0) {
    counters.drop(Drop::kNoDestination, run.count);
  } else if (replicas > 1) {
    counters.copies.add((replicas - 1) * run.count);
    for (uint16_t i = run.first; i < run.first + run.count; ++i) {
      burst.frames[i].shared = true;
    }
  }
}

// From one tunnel to another of the same bridge: what came from a full mesh has reached all of it already.
bool is_beyond_horizon(const Worker& worker, PortId to) {
  const Port* port = worker.shared.ports[to].load(std::memory_order_acquire);
  return port != nullptr && port->split_horizon;
}

}  // namespace

void look_up(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  for (const Run& run : burst.all_runs()) {
    const Mac mac = run.destination;
    const PortId port = is_group(mac) ? kNoPort : bridge.macs.find(mac, run.destination_hash);
    if (port == in.id()) [[unlikely]] {
      counters.drop(Drop::kSamePort, run.count);
    } else if (port != kNoPort) [[likely]] {
      if (in.split_horizon && is_beyond_horizon(worker, port)) [[unlikely]] {
        counters.drop(Drop::kSplitHorizon, run.count);
      } else {
        worker.groups.of(port).add(run.first, run.count);
      }
    } else if (is_reserved(mac)) {
      counters.drop(Drop::kReserved, run.count);
    } else {
      flood(burst, run, worker, in, bridge);
    }
  }
}

}  // namespace memswitch
