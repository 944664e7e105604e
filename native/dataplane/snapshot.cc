// The first bytes of each frame into private memory. All reads of a burst stand together, after receive() has
// asked for the lines, so that their misses overlap.
#include <algorithm>

#include "dataplane/copy.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

// The first piece is shorter than the snapshot: gather.
void snapshot_pieces(std::byte* to, const Frame& frame, const Burst& burst) {
  uint32_t length = std::min(frame.first_length, kHeaderBytes);
  copy_short(to, frame.data, length);
  for (uint16_t p = 0; p < frame.segments && length < kHeaderBytes; ++p) {
    const Segment& piece = burst.pieces[frame.segment + p];
    const uint32_t part = std::min(piece.length, kHeaderBytes - length);
    copy_short(to + length, piece.data, part);
    length += part;
  }
}

}  // namespace

void snapshot(Burst& burst) {
  for (uint16_t i = 0; i < burst.count; ++i) {
    const Frame& frame = burst.frames[i];
    std::byte* to = burst.headers[i].data();
    if (frame.first_length >= kHeaderBytes) [[likely]] {
      copy_fixed<kHeaderBytes>(to, frame.data);
    } else if (frame.segments == 0) {
      copy_short(to, frame.data, frame.first_length);
    } else {
      snapshot_pieces(to, frame, burst);
    }
  }
}

}  // namespace memswitch
