// The bridges by number, and what control does with their addresses: list, pin, remove, age.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>

#include "control/reclaim.h"
#include "control/status.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

struct BridgeOptions {
  uint16_t ageing = 300;  // seconds; 0: never
  uint32_t mac_limit = 65536;
  bool learn = true;
  bool flood = true;
  bool vlans = false;  // fixed
};

class Bridges {
 public:
  Bridges(Shared& shared, Reclaim& reclaim) : shared_(shared), reclaim_(reclaim) {}

  Status add(const BridgeOptions& options, uint16_t& number);
  Status set(uint16_t number, const BridgeOptions& options);
  // Only without ports: the switch checks.
  Status remove(uint16_t number);
  [[nodiscard]] std::shared_ptr<Bridge> find(uint16_t number) const;

  // The ports whose link is up are now these.
  void set_members(Bridge& bridge, Bridge::Members members);

  Status add_static(Bridge& bridge, Mac mac, PortId port);
  bool remove_mac(Bridge& bridge, Mac mac);
  // An address that was learned `age` seconds ago. False where it is known, too old, or has no room.
  bool relearn(Bridge& bridge, Mac mac, Port& port, uint16_t age);
  enum class Which { kLearned, kAll };
  // Of one port, or of all with kNoPort.
  uint32_t flush(Bridge& bridge, PortId port, Which which);

  // Once a second: looks at a part of each table, so that all of it is seen several times within the ageing time.
  void age();
  // Seconds since the entry was seen.
  [[nodiscard]] uint16_t age_of(const MacTable::Entry& entry) const {
    return static_cast<uint16_t>(shared_.clock.load() - entry.seen);
  }

 private:
  struct Place {
    std::shared_ptr<Bridge> bridge;
    std::unique_ptr<const Bridge::Members> members;  // what bridge->members points to
    uint64_t next_bucket = 0;                        // to look at for age
  };

  // A learned entry is gone: its port may learn another.
  void forget(const MacTable::Entry& entry);

  Shared& shared_;
  Reclaim& reclaim_;
  std::map<uint16_t, Place> bridges_;
};

}  // namespace memswitch
