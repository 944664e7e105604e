// What a port may send and take, beyond what its bridge lets every port do. Most ports have no policy: then all that a
// burst spends on it is a look at a null pointer where it comes in (admit.cc), and one where a group leaves (depart.cc).
//
// Control makes a policy, and replaces it as a whole (control/policies.h).
#pragma once

#include <array>
#include <memory>
#include <span>

#include "dataplane/anti_spoof.h"
#include "dataplane/frame.h"
#include "dataplane/meter.h"
#include "dataplane/rate_limit.h"
#include "dataplane/vlan.h"

namespace memswitch {

struct Worker;
class Port;
struct PortCounters;

// What a bridge floods.
enum class Flooded : uint8_t { kBroadcast, kMulticast, kUnknown };
inline constexpr size_t kFlooded = 3;

struct Policy {
  std::unique_ptr<const Vlans> vlans;      // null: the bridge has none
  std::unique_ptr<const Senders> senders;  // null: anybody may speak
  RateLimit rx;
  RateLimit tx;
  std::array<std::unique_ptr<Meter>, kFlooded> storm;  // frames, by Flooded; null: no limit
};

// The stage behind classify(): what the port that the burst came from may not send is dropped.
void admit(Burst& burst, Worker& worker, const Port& in, const Policy& policy);

// By the storm control of the port that a run came from: how many of its frames may be flooded, the first ones.
uint16_t calm_part(const Policy& policy, const Run& run, uint64_t now);

// The stage before transmit(): those of a group that may leave by the port; the others are dropped.
// `kept` is room for them.
std::span<const uint8_t> depart(Burst& burst, std::span<const uint8_t> which, Worker& worker,
                                const Policy& policy, PortCounters& counters,
                                std::array<uint8_t, kBurst>& kept);

}  // namespace memswitch
