#include <algorithm>

#include "dataplane/fate.h"
#include "dataplane/policy.h"
#include "dataplane/take_private.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

// By the snapshot, or by more of the frame where that does not do.
std::optional<Drop> find_spoof(const Senders& senders, Burst& burst, uint16_t i,
                               std::span<std::byte> room) {
  const uint32_t length = burst.frames[i].length;
  const std::span<const std::byte> head(burst.headers[i].data(), std::min(length, kJudgedBytes));
  bool needs_more = false;
  const std::optional<Drop> found = find_spoof(senders, head, length, needs_more);
  if (!needs_more) [[likely]] {
    return found;
  }
  const std::optional<Drop> then =
      find_spoof(senders, take_private(burst, i, room), length, needs_more);
  return needs_more ? Drop::kSpoofedIp : then;
}

void refuse_spoofed(Burst& burst, Worker& worker, const Senders& senders, PortCounters& counters) {
  for (const Run& run : burst.all_runs()) {
    const bool may_speak = senders.has(run.source);
    for (uint16_t i = run.first; i < run.first + run.count; ++i) {
      if (burst.fate[i] != kUnderWay) {
        continue;
      }
      const std::optional<Drop> why = may_speak ? find_spoof(senders, burst, i, worker.room[i])
                                                : std::optional(Drop::kSpoofedMac);
      if (why) {
        drop(burst, i, *why, counters);
      }
    }
  }
}

void limit_rate(Burst& burst, const Worker& worker, const RateLimit& limit,
                PortCounters& counters) {
  std::array<uint8_t, kBurst> alive;
  size_t count = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (burst.fate[i] == kUnderWay) {
      alive[count++] = static_cast<uint8_t>(i);
    }
  }
  const std::span<const uint8_t> all(alive.data(), count);
  const std::span<const uint8_t> passed = within(limit, worker.now, burst, all);
  drop(burst, all.subspan(passed.size()), Drop::kRxRate, counters);
}

}  // namespace

void admit(Burst& burst, Worker& worker, const Port& in, const Policy& policy) {
  PortCounters& counters = worker.counters_of(in.id());
  if (policy.senders) {
    refuse_spoofed(burst, worker, *policy.senders, counters);
  }
  if (policy.rx) {
    limit_rate(burst, worker, policy.rx, counters);
  }
  if (policy.vlans) {
    sort_by_vlan(burst, *policy.vlans, counters);
  }
}

uint16_t calm_part(const Policy& policy, const Run& run, uint64_t now) {
  const Flooded sort = (run.destination & kMacMask) == kMacMask ? Flooded::kBroadcast
                       : is_group(run.destination)              ? Flooded::kMulticast
                                                                : Flooded::kUnknown;
  Meter* meter = policy.storm[static_cast<size_t>(sort)].get();
  return meter == nullptr ? run.count : meter->take(now, run.count, [](uint16_t) { return 1; });
}

}  // namespace memswitch
