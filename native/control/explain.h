// Where a frame would go, and why: asked of the stages and tables that frames themselves go through, in a dry run whose
// counters are thrown away. So whatever a stage decides, also one that is added later, shows here.
#pragma once

#include <optional>
#include <vector>

#include "control/status.h"
#include "dataplane/drops.h"
#include "dataplane/worker.h"
#include "tables/mac_table.h"
#include "vxlan/ip_address.h"

namespace memswitch {

struct Explanation {
  // A port that the frame would be given to.
  struct Way {
    PortId port = kNoPort;
    std::optional<Drop> drop{};         // why it would end there all the same
    std::optional<IpAddress> remote{};  // of a tunnel: the one it goes to; none: all
  };
  std::optional<Drop> drop{};  // why it would go nowhere
  bool has_bridge = false;     // else it is taken by tunnels, or by nobody
  bool carries_tunnels = false;
  std::optional<MacTable::Entry> destination{};
  std::optional<MacTable::Entry> source{};
  std::vector<Way> ways{};
};

// The frame comes in from `in`. With the switch's lock held, so that nothing it looks at is freed. `ways` have no remotes
// yet.
Explanation explain(Shared& shared, Port& in, std::span<const std::byte> frame);

}  // namespace memswitch
