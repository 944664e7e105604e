#include "dataplane/vepa.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

// All hashes of the burst first, with their buckets on the way into the cache; compared afterwards.
namespace {

template <bool kVlans>
void hash_all(Burst& burst, const MacTable& macs) {
  const auto hash_of = [&macs](Mac mac) {
    return kVlans ? macs.hash_in_vlan(mac) : macs.hash(mac);
  };
  const Run* last = nullptr;
  for (Run& run : burst.all_runs()) {
    if (last != nullptr && run.source == last->source) {
      run.source_hash = last->source_hash;
    } else {
      run.source_hash = hash_of(run.source);
      macs.prefetch(run.source_hash);
    }
    if (last != nullptr && run.destination == last->destination) {
      run.destination_hash = last->destination_hash;
    } else {
      run.destination_hash = hash_of(run.destination);
      macs.prefetch(run.destination_hash);
    }
    last = &run;
  }
}

}  // namespace

void hash(Burst& burst, const Bridge& bridge) {
  burst.has_vlans ? hash_all<true>(burst, bridge.macs) : hash_all<false>(burst, bridge.macs);
}

namespace {

void tell(Worker& worker, Notice::Kind kind, const Port& in, PortId from, const Bridge& bridge,
          Mac mac) {
  worker.notices.put(
      {.kind = kind, .port = in.id(), .from = from, .bridge = bridge.id, .mac = mac});
}

void learned(const MacTable::Learn& learn, Mac mac, Worker& worker, Port& in, Bridge& bridge) {
  PortCounters& counters = worker.counters_of(in.id());
  switch (learn.result) {
    case MacTable::Learned::kMoved:
      if (Port* from = worker.shared.ports[learn.from].load(std::memory_order_acquire)) {
        from->macs.give_back();
      }
      counters.moves.add(1);
      tell(worker, Notice::Kind::kMove, in, learn.from, bridge, mac);
      break;
    case MacTable::Learned::kPortFull:
      counters.learn_limited.add(1);
      tell(worker, Notice::Kind::kPortFull, in, kNoPort, bridge, mac);
      break;
    case MacTable::Learned::kTableFull:
      counters.learn_limited.add(1);
      tell(worker, Notice::Kind::kTableFull, in, kNoPort, bridge, mac);
      break;
    default:
      break;
  }
}

template <bool kUplink>
void learn_all(const Burst& burst, Worker& worker, Port& in, Bridge& bridge) {
  const MacTable::Age now = worker.shared.clock.load(std::memory_order_relaxed);
  Mac last = 0;
  for (const Run& run : burst.all_runs()) {
    if (run.source == last) {
      continue;
    }
    last = run.source;
    if (kUplink && reflected_from(run, worker, bridge) != kNoPort) {
      continue;
    }
    const MacTable::Learn result =
        bridge.macs.learn(run.source, run.source_hash, in.id(), in.macs, now);
    if (result.result != MacTable::Learned::kKnown) [[unlikely]] {
      learned(result, run.source, worker, in, bridge);
    }
  }
}

}  // namespace

void learn(Burst& burst, Worker& worker, Port& in, Bridge& bridge) {
  if (!bridge.learn.load(std::memory_order_relaxed)) {
    return;
  }
  is_uplink(in, bridge) ? learn_all<true>(burst, worker, in, bridge)
                        : learn_all<false>(burst, worker, in, bridge);
}

}  // namespace memswitch
