// What a tunnel says to the inside by itself, where it is told to: that a packet is too long for its way (vxlan/too_big.h),
// and where a station behind a remote is, so that questions for it need not be flooded (as RFC 9161 does for EVPN).
#pragma once

#include <array>
#include <memory>
#include <span>

#include "dataplane/worker.h"
#include "ports/port.h"
#include "tables/neighbor_table.h"

namespace memswitch {

class VxlanPort;

class VxlanAnswers {
 public:
  struct Options {
    bool too_big = false;
    bool suppress = false;
  };
  VxlanAnswers(const Options& options, const Shared& shared);
  ~VxlanAnswers();

  // Control, before that worker polls. `of_ports`: its counters of all ports.
  void add_worker(uint16_t worker, PortCounters* of_ports);

  // Poll threads, all of them.

  // The frame was longer than `longest` bytes, and dropped.
  void tell_too_big(const Burst& burst, uint8_t frame, uint32_t longest, VxlanPort& tunnel,
                    uint16_t worker);
  // Whether the frame asks for a station that is known to be behind a remote, and has been answered.
  bool reply(const Burst& burst, uint8_t frame, VxlanPort& tunnel, uint16_t worker);
  // A frame came from a remote: whose address does it tell? `head`: private.
  void listen(std::span<const std::byte> head, uint32_t length);
  [[nodiscard]] bool listens() const { return options_.suppress; }

 private:
  // RFC 4443, 2.4 (f) wants a limit to errors; of a worker, in a second.
  static constexpr uint16_t kMostErrors = 100;

  struct Scratch;

  bool may_tell(Scratch& scratch) const;
  void send(Mac to, uint32_t length, VxlanPort& tunnel, uint16_t worker);

  const Options options_;
  const Shared& shared_;
  NeighborTable neighbors_;
  std::array<std::unique_ptr<Scratch>, kMaxWorkers> scratch_;  // by worker
};

}  // namespace memswitch
