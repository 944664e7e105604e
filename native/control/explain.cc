#include "control/explain.h"

#include <x86intrin.h>

#include <memory>

#include "dataplane/policy.h"
#include "tables/bridge.h"

namespace memswitch {

namespace {

// A worker that nobody runs: what it counts and decides is seen by us alone.
struct DryRun {
  explicit DryRun(Shared& shared) : worker(0, shared, counters.data(), own) {
    worker.now = __rdtsc();
  }

  std::vector<PortCounters> counters = std::vector<PortCounters>(kMaxPorts);
  WorkerCounters own;
  Worker worker;
};

std::optional<Drop> reason_of(Fate fate) {
  return fate == kUnderWay ? std::nullopt : std::optional(static_cast<Drop>(fate - 1));
}

std::optional<MacTable::Entry> look(const Bridge& bridge, Mac mac) {
  MacTable::Entry entry;
  return !is_group(mac) && mac != 0 && bridge.macs.look(mac, entry) ? std::optional(entry)
                                                                    : std::nullopt;
}

// learn() comes before look_up(), but must not come in a dry run. It matters only to a frame for its own sender.
bool finds_itself(const Run& run, const Port& in, const Bridge& bridge, const Explanation& found) {
  if ((in.apart.load() & kVepa) != 0) {
    return false;
  }
  const bool moves = !found.source || !found.source->is_static;
  return run.destination == run.source && moves && bridge.learn.load();
}

// What deliver() would find at the port; what only its device knows, it tells when a frame comes.
std::optional<Drop> obstacle(const Port* port, const Bridge& bridge, DryRun& dry) {
  if (port == nullptr || port->bridge.load() != &bridge) {
    return Drop::kNoDestination;
  }
  Burst& burst = dry.worker.burst;
  burst.fate[0] = kUnderWay;
  if (const Policy* policy = port->policy.load()) {
    constexpr std::array<uint8_t, 1> kThis{0};
    std::array<uint8_t, kBurst> kept;
    depart(burst, kThis, dry.worker, *policy, dry.worker.counters_of(port->id()), kept);
  }
  return burst.fate[0] == kUnderWay && burst.frames[0].length > port->max_frame.load()
             ? std::optional(Drop::kTooLong)
             : reason_of(burst.fate[0]);
}

}  // namespace

Explanation explain(Shared& shared, Port& in, std::span<const std::byte> frame) {
  const auto dry = std::make_unique<DryRun>(shared);
  Burst& burst = dry->worker.burst;
  burst.count = 1;
  burst.frames[0] = Frame::whole(frame.data(), static_cast<uint32_t>(frame.size()));
  snapshot(burst);
  classify(burst, dry->worker.counters_of(in.id()), in.max_frame.load());
  if (const Policy* policy = in.policy.load()) {
    admit(burst, dry->worker, in, *policy);
  }
  Explanation found{.carries_tunnels = in.vtep.load() != nullptr};
  Bridge* const bridge = in.bridge.load();
  found.has_bridge = bridge != nullptr;
  if (bridge == nullptr) {
    found.drop = reason_of(burst.fate[0]);
    if (!found.drop && !found.carries_tunnels) {
      found.drop = in.gets_copies.load() ? Drop::kMirrorPort : Drop::kNoBridge;
    }
    return found;
  }
  if (burst.thinned) {
    thin(burst);
  }
  if (burst.run_count == 0) {
    found.drop = reason_of(burst.fate[0]);
    return found;
  }
  found.destination = look(*bridge, burst.runs[0].destination);
  found.source = look(*bridge, burst.runs[0].source);
  if (finds_itself(burst.runs[0], in, *bridge, found)) {
    found.drop = Drop::kSamePort;
    return found;
  }
  hash(burst, *bridge);
  look_up(burst, dry->worker, in, *bridge);
  found.drop = reason_of(burst.fate[0]);
  for (const Groups::Group& group : dry->worker.groups.all()) {
    const Port* port = shared.ports[group.port].load();
    found.ways.push_back({.port = group.port, .drop = obstacle(port, *bridge, *dry), .remote = {}});
  }
  return found;
}

}  // namespace memswitch
