// A capture as workers see it: which frames it wants, and a ring for each worker to put them into. It costs a worker a
// look at a filter and a copy of the first bytes; it never makes a frame wait.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/capture_ring.h"
#include "dataplane/filter.h"
#include "dataplane/frame.h"

namespace memswitch {

class Capture {
 public:
  struct Options {
    uint32_t snaplen = kMaxFrame;  // most bytes of a frame
    bool rx = true;
    bool tx = true;
    bool only_drops = false;
    size_t ring_bytes = size_t{4} << 20;  // for each worker; a power of two
    Filter filter{};
  };
  // Of one worker.
  struct Lane {
    explicit Lane(size_t ring_bytes, size_t scratch_bytes)
        : ring(ring_bytes), scratch(scratch_bytes) {}
    CaptureRing ring;
    uint32_t depth = 0;  // transmissions under way: one inside a tunnel is inside another
    std::vector<std::byte> scratch;  // for a whole frame, where there is a filter: it may look far
  };
  using Lanes = std::array<std::unique_ptr<Lane>, kMaxWorkers>;

  explicit Capture(Options options) : options_(std::move(options)) {}

  // Control: before the worker of that number can see the capture, or before it starts.
  void set_lane(uint16_t worker, std::unique_ptr<Lane> lane) { lanes_[worker] = std::move(lane); }

  // Frames of a burst that came in from the port, what became of them being known.
  void came(PortId port, const Burst& burst, uint16_t worker, uint64_t now) const;
  // Frames that are about to leave by the port: noted now, because afterwards their buffers may be gone.
  void leaving(PortId port, const Burst& burst, std::span<const uint8_t> which, uint16_t worker,
               uint64_t now) const;
  // The same frames: now it is known what became of them.
  void left(PortId port, const Burst& burst, uint16_t worker) const;

  [[nodiscard]] const Lanes& lanes() const { return lanes_; }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  [[nodiscard]] bool wants(const Burst& burst, uint16_t frame, Lane& lane) const;
  void note(PortId port, Direction direction, const Burst& burst, uint16_t frame, Lane& lane,
            uint64_t now) const;

  const Options options_;
  Lanes lanes_;  // by worker; null: there is none of that number
};

}  // namespace memswitch
