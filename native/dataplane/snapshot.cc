// The first bytes of each frame into private memory. All reads of a burst stand together, after receive() has
// asked for the lines, so that their misses overlap.
#include <algorithm>

#include "dataplane/copy.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

// The first piece is shorter than the snapshot: gather.
[[gnu::noinline]] void snapshot_pieces(std::byte* to, const Frame& frame, const Burst& burst) {
  uint32_t length = std::min(frame.first_length, kHeaderBytes);
  copy_short(to, frame.data, length);
  for (uint16_t p = 0; p < frame.segments && length < kHeaderBytes; ++p) {
    const Segment& piece = burst.pieces[frame.segment + p];
    const uint32_t part = std::min(piece.length, kHeaderBytes - length);
    copy_short(to + length, piece.data, part);
    length += part;
  }
}

static_assert(kHeaderBytes == kLine);

template <uint32_t kWidth>
[[gnu::always_inline]] inline void snapshot_by(Burst& burst) {
  const uint32_t count = burst.count;
  for (uint32_t i = 0; i < count; ++i) {
    const Frame& frame = burst.frames[i];
    std::byte* to = burst.headers[i].data();
    if (frame.first_length >= kHeaderBytes) [[likely]] {
      copy_line<kWidth>(to, frame.data);
    } else if (frame.segments == 0 && frame.length >= kLine / 2) {
      copy_line_or_less<kWidth>(to, frame.data, frame.length);
    } else if (frame.segments == 0) {
      copy_short(to, frame.data, frame.first_length);
    } else {
      snapshot_pieces(to, frame, burst);
    }
  }
}

void snapshot_by_16(Burst& burst) {
  snapshot_by<16>(burst);
}
[[gnu::target("avx2")]] void snapshot_by_32(Burst& burst) {
  snapshot_by<32>(burst);
}
[[gnu::target("avx512f")]] void snapshot_by_64(Burst& burst) {
  snapshot_by<64>(burst);
}

const auto snapshot_widest = widest(snapshot_by_16, snapshot_by_32, snapshot_by_64);

}  // namespace

void snapshot(Burst& burst) {
  snapshot_widest(burst);
}

}  // namespace memswitch
