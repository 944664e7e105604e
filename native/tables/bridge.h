// A bridge domain: ports that share one Ethernet, and the addresses seen on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "tables/mac_table.h"

namespace memswitch {

class Port;

struct Bridge {
  Bridge(uint16_t number, uint32_t mac_limit, bool has_vlans = false)
      : id(number), vlans(has_vlans), macs(mac_limit, has_vlans) {}

  // Ports whose link is up. Replaced as a whole; the old list lives until every worker has passed.
  using Members = std::vector<Port*>;

  const uint16_t id;
  const bool vlans;  // each of its ports carries some, by its policy
  MacTable macs;
  std::atomic<const Members*> members{nullptr};
  std::atomic<uint16_t> ageing{300};  // seconds; 0: addresses stay
  std::atomic<bool> learn{true};
  std::atomic<bool> flood{true};
  std::atomic<bool> has_vepa{false};  // among its members (dataplane/vepa.h)
};

}  // namespace memswitch
