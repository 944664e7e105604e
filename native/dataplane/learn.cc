#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

// All hashes of the burst first, with their buckets on the way into the cache; compared afterwards. Runs of one
// address, the usual case, cost one comparison.
void hash(Burst& burst, const Bridge& bridge) {
  Mac last_source = 0;
  Mac last_destination = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (burst.source[i] != last_source) {
      last_source = burst.source[i];
      burst.source_hash[i] = bridge.macs.hash(last_source);
      bridge.macs.prefetch(burst.source_hash[i]);
    }
    if (burst.destination[i] != last_destination) {
      last_destination = burst.destination[i];
      burst.destination_hash[i] = bridge.macs.hash(last_destination);
      bridge.macs.prefetch(burst.destination_hash[i]);
    }
  }
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

}  // namespace

void learn(Burst& burst, Worker& worker, Port& in, Bridge& bridge) {
  if (!bridge.learn.load(std::memory_order_relaxed)) {
    return;
  }
  const MacTable::Age now = worker.shared.clock.load(std::memory_order_relaxed);
  Mac last = 0;
  uint16_t first = 0;  // of the run, which has the hash
  bool seen = false;
  for (uint16_t i = 0; i < burst.count; ++i) {
    const Mac mac = burst.source[i];
    if (mac != last) {
      last = mac;
      first = i;
      seen = false;
    }
    if (seen || burst.dropped[i]) {
      continue;
    }
    seen = true;
    const MacTable::Learn result =
        bridge.macs.learn(mac, burst.source_hash[first], in.id(), in.macs, now);
    if (result.result != MacTable::Learned::kKnown) [[unlikely]] {
      learned(result, mac, worker, in, bridge);
    }
  }
}

}  // namespace memswitch
