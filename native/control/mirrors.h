// Mirrors by number: which ports' frames are copied, and to where (dataplane/watch.h).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "control/status.h"
#include "control/workers.h"
#include "dataplane/watch.h"

namespace memswitch {

struct MirrorOptions {
  std::set<PortId> from;
  PortId to = kNoPort;
  bool rx = true;
  bool tx = true;
};

struct MirrorStatus {
  uint32_t id;
  uint64_t frames, bytes;  // sent
  uint64_t lost;
};

// Callers hold the switch's lock.
class Mirrors {
 public:
  explicit Mirrors(Workers& workers) : workers_(workers) {}

  void add_worker(uint16_t worker);
  // `to`: the port of that number.
  uint32_t add(const MirrorOptions& options, Port& to);
  // The options it had; null: there is none.
  [[nodiscard]] const MirrorOptions* find(uint32_t id) const;
  void join(uint32_t id, PortId port) { entries_.at(id).options.from.insert(port); }
  void remove(uint32_t id) { entries_.erase(id); }
  // The port has gone: nothing is copied from it any more.
  void forget(PortId port);

  [[nodiscard]] bool copies_to(PortId port) const;
  [[nodiscard]] bool copies_from(PortId port) const;
  [[nodiscard]] std::vector<std::shared_ptr<Mirror>> of(PortId port) const;
  [[nodiscard]] std::vector<MirrorStatus> status() const;

 private:
  struct Entry {
    MirrorOptions options;
    std::shared_ptr<Mirror> mirror;
  };

  Workers& workers_;
  std::map<uint32_t, Entry> entries_;
  uint32_t last_ = 0;
};

}  // namespace memswitch
