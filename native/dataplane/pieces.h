// The bytes of a frame that lies in several pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/copy.h"
#include "dataplane/frame.h"

namespace memswitch {

// Visits the bytes [offset, offset + length) piece by piece.
template <typename Visit>
void each_piece(const Burst& burst, const Frame& frame, uint32_t offset, uint32_t length,
                Visit visit) {
  const auto part = [&](const std::byte* data, uint32_t size) {
    const uint32_t skip = std::min(offset, size);
    const uint32_t taken = std::min(size - skip, length);
    offset -= skip;
    length -= taken;
    if (taken > 0) {
      visit(data + skip, taken);
    }
  };
  part(frame.data, frame.first_length);
  for (uint16_t s = 0; s < frame.segments && length > 0; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    part(piece.data, piece.length);
  }
}

// The first bytes, at most `kMost` of them or all there are, into private memory: a peer can change its own at any time.
// Returns how many.
template <uint32_t kMost>
uint32_t gather(std::byte* to, const Frame& frame, const Burst& burst) {
  static_assert(kMost <= 128, "copy_short()");
  if constexpr (kMost % 16 == 0) {
    if (frame.first_length >= kMost) [[likely]] {
      copy_fixed<kMost>(to, frame.data);
      return kMost;
    }
  }
  uint32_t done = 0;
  each_piece(burst, frame, 0, kMost, [&](const std::byte* data, uint32_t size) {
    copy_short(to + done, data, size);
    done += size;
  });
  return done;
}

// The same of a frame on its way out: what was looked at, the snapshot, comes first. Where a VLAN tag was put on or taken
// off, that is so there alone.
inline uint32_t gather_judged(std::byte* to, uint32_t most, const Burst& burst, uint16_t index) {
  const Frame& frame = burst.frames[index];
  uint32_t done = std::min({most, frame.length, kHeaderBytes});
  std::memcpy(to, burst.headers[index].data(), done);
  each_piece(burst, frame, done, most - done, [&](const std::byte* data, uint32_t size) {
    std::memcpy(to + done, data, size);
    done += size;
  });
  return done;
}

// As copy_rest(), of a frame in several pieces: a tunnel's, whose outer headers lie apart.
template <uint32_t kWidth>
[[gnu::always_inline]] inline void copy_pieces(std::byte* to, const Burst& burst,
                                               const Frame& frame) {
  Segment piece{frame.data, frame.first_length};
  uint32_t at = 0;
  for (uint16_t next = 0; at < frame.length;) {
    const uint32_t length = std::min(piece.length, frame.length - at);
    const uint32_t skip = at < kLine ? std::min(kLine - at, length) : 0;
    copy_piece<kWidth>(to + at + skip, piece.data + skip, length - skip);
    at += length;
    if (next == frame.segments) {
      break;
    }
    piece = burst.pieces[frame.segment + next++];
  }
}

// A frame, as it was judged, into a buffer that has room for it.
template <uint32_t kWidth>
[[gnu::always_inline]] inline void copy_judged(std::byte* to, const Burst& burst, uint32_t index) {
  const Frame& frame = burst.frames[index];
  const std::byte* const header = burst.headers[index].data();
  if (frame.length < kLine) {
    copy_short(to, header, frame.length);
    return;
  }
  if (frame.segments == 0) {
    copy_rest<kWidth>(to, frame.data, frame.length);
  } else {
    copy_pieces<kWidth>(to, burst, frame);
  }
  copy_line<kWidth>(to, header);
}

// Lets the frame's first piece begin `skip` bytes later, of which it has as many.
inline void skip_front(const Burst& burst, Frame& frame, uint32_t skip) {
  while (skip >= frame.first_length && frame.segments > 0) {
    const Segment& next = burst.pieces[frame.segment];
    skip -= frame.first_length;
    frame.data = next.data;
    frame.first_length = next.length;
    ++frame.segment;
    --frame.segments;
  }
  frame.data += skip;
  frame.first_length -= skip;
}

}  // namespace memswitch
