#include "memif/ring.h"

#include <algorithm>

#include "dataplane/copy.h"
#include "dataplane/pieces.h"

namespace memswitch::memif {

namespace {

// One descriptor of a frame that is no chain.
inline bool is_plain(const Descriptor& d, uint16_t region) {
  return d.flags == 0 && d.region == region;
}

// The pieces of a chain from its second on. Returns the slots taken; 0: it is not complete yet, has to wait for the
// next burst, or is a fault.
[[gnu::noinline]] uint16_t receive_chain(const Ring& ring, const RegionTable& regions, uint16_t at,
                                         uint16_t waiting, Frame& frame, Burst& burst,
                                         Fault& fault) {
  if (burst.segments + kMaxSegments > kBurstSegments) {
    return 0;
  }
  frame.segment = burst.segments;
  frame.length = std::min(frame.length, kMaxFrame + 1);  // so that the sum can't run over
  for (uint16_t i = 0; i < waiting; ++i) {
    const Descriptor d = load_once(&ring.slots[static_cast<uint16_t>(at + i) & ring.mask]);
    fault = check(d, regions);
    if (fault == Fault::kNone && i == kMaxSegments) {
      fault = Fault::kEndlessChain;
    }
    if (fault != Fault::kNone) {
      return 0;
    }
    burst.pieces[frame.segment + i] = {regions.views[d.region].base + d.offset, d.length};
    frame.length += std::min(d.length, kMaxFrame + 1);
    if ((d.flags & kDescriptorNext) == 0) {
      frame.segments = static_cast<uint16_t>(i + 1);
      burst.segments = static_cast<uint16_t>(burst.segments + frame.segments);
      return frame.segments;
    }
  }
  if (waiting + 1 == ring.size) {
    fault = Fault::kEndlessChain;  // there is no slot left in which it could end
  }
  return 0;
}

}  // namespace

namespace {

// Frames of one descriptor each, all in the region of the first, as nearly all are: from `slots` on, at most `most`.
// Stops before the first that is something else. A loop of its own, so that all it needs stays in registers. (Four
// descriptors checked at once by AVX-512: 0.97 times as many frames one way, as many both ways. One by one it stays.)
[[gnu::noinline]] uint32_t receive_plain(Descriptor* slots, uint32_t most, uint16_t region,
                                         const RegionView& view, Frame* frames) {
  std::byte* const base = view.base;
  const uint64_t size = view.size;
  uint32_t n = 0;
  for (; n < most; ++n) {
    const Descriptor d = load_once(&slots[n]);
    if (!is_plain(d, region) || uint64_t{d.offset} + d.length > size) [[unlikely]] {
      break;
    }
    const std::byte* const data = base + d.offset;
    __builtin_prefetch(data);
    frames[n] = Frame::whole(data, d.length);
  }
  return n;
}

}  // namespace

Fault receive(const Ring& ring, const RegionTable& regions, Burst& burst) {
  const uint16_t waiting = available(ring);
  if (waiting > ring.size) [[unlikely]] {
    burst.count = burst.slots = 0;
    return Fault::kIndexJump;
  }
  uint32_t taken = 0;
  uint32_t count = 0;
  burst.segments = 0;
  Fault fault = Fault::kNone;
  while (taken < waiting && count < kBurst) {
    const uint32_t slot = (ring.position + taken) & ring.mask;
    const Descriptor d = load_once(&ring.slots[slot]);
    fault = check(d, regions);
    if (fault != Fault::kNone) [[unlikely]] {
      break;
    }
    const RegionView& region = regions.views[d.region];
    if (is_plain(d, d.region)) [[likely]] {
      const uint32_t most = std::min({waiting - taken, kBurst - count, uint32_t{ring.size} - slot});
      const uint32_t plain =
          receive_plain(&ring.slots[slot], most, d.region, region, &burst.frames[count]);
      taken += plain;
      count += plain;
      if (plain > 0) [[likely]] {
        continue;
      }
    }
    Frame& frame = burst.frames[count];
    frame = Frame::whole(region.base + d.offset, d.length);
    ++taken;
    if ((d.flags & kDescriptorNext) != 0) {
      const uint16_t more =
          receive_chain(ring, regions, static_cast<uint16_t>(ring.position + taken),
                        static_cast<uint16_t>(waiting - taken), frame, burst, fault);
      if (more == 0) {
        --taken;
        break;
      }
      taken += more;
    }
    ++count;
  }
  burst.count = static_cast<uint16_t>(count);
  burst.slots = static_cast<uint16_t>(taken);
  return fault;
}

void release(Ring& ring, uint16_t slots) {
  if (ring.lent != nullptr) {
    for (uint16_t i = 0; i < slots; ++i) {
      const uint16_t slot = static_cast<uint16_t>(ring.position + i) & ring.mask;
      store(&ring.slots[slot], ring.lent[slot]);
    }
  }
  publish(ring, slots);
}

namespace {

// Reads a frame piece by piece: the snapshot first (what was looked at is what is delivered), then the sender's
// memory.
class Source {
 public:
  Source(const Burst& burst, uint16_t i)
      : burst_(burst),
        frame_(burst.frames[i]),
        data_(burst.headers[i].data()),
        left_(std::min(frame_.length, kHeaderBytes)) {}

  void copy(std::byte* to, uint32_t length) {
    while (length > 0) {
      if (left_ == 0) {
        advance();
      }
      const uint32_t part = std::min(left_, length);
      std::memcpy(to, data_, part);
      to += part;
      data_ += part;
      left_ -= part;
      length -= part;
    }
  }

 private:
  void advance() {
    if (!in_frame_) {
      in_frame_ = true;
      skip_ = kHeaderBytes;
      data_ = frame_.data;
      left_ = frame_.first_length;
    } else {
      const Segment& piece = burst_.pieces[frame_.segment + piece_++];
      data_ = piece.data;
      left_ = piece.length;
    }
    const uint32_t skip = std::min(skip_, left_);
    data_ += skip;
    left_ -= skip;
    skip_ -= skip;
  }

  const Burst& burst_;
  const Frame& frame_;
  const std::byte* data_;
  uint32_t left_;
  uint32_t skip_ = 0;
  uint16_t piece_ = 0;
  bool in_frame_ = false;
};

// Where transmit() is in a ring, apart from the ring: a store into a peer's memory could alias it, as far as the compiler
// knows.
struct Cursor {
  const RegionTable regions;
  Descriptor* const slots;
  const Descriptor* const
      offered;  // the buffers: a client's own copy, or what the peer has in the slots
  const uint32_t mask;
  const uint32_t room;   // slots that are ours
  const uint32_t start;  // the first of them
  uint32_t used = 0;

  // The n-th unused slot.
  [[nodiscard]] uint32_t slot(uint32_t n = 0) const { return (start + used + n) & mask; }
  // Its buffer, checked.
  [[nodiscard]] Fault buffer(uint32_t n, Descriptor& d) const {
    d = load_once(&offered[slot(n)]);
    return check(d, regions);
  }
  void fill(Descriptor d, uint32_t length, uint16_t flags) {
    d.length = length;
    d.flags = flags;
    store(&slots[slot()], d);
    ++used;
  }
};

enum class Chained : uint8_t { kSent, kFull, kNoRoom };

// A frame over several of the peer's buffers. Nothing is filled unless all of it fits.
[[gnu::noinline]] Chained transmit_chain(Cursor& at, const Burst& burst, uint16_t i, Fault& fault) {
  const uint32_t length = burst.frames[i].length;
  Descriptor buffers[kMaxSegments];
  uint64_t space = 0;
  uint16_t count = 0;
  while (space < length) {
    if (count == kMaxSegments || count > at.mask) {
      return Chained::kNoRoom;
    }
    if (at.used + count == at.room) {
      return Chained::kFull;
    }
    fault = at.buffer(count, buffers[count]);
    if (fault != Fault::kNone) {
      return Chained::kFull;
    }
    space += buffers[count++].length;
  }
  Source source(burst, i);
  uint32_t left = length;
  for (uint16_t b = 0; b < count; ++b) {
    const Descriptor& d = buffers[b];
    const uint32_t part = std::min(left, d.length);
    source.copy(at.regions.views[d.region].base + d.offset, part);
    left -= part;
    at.fill(d, part, b + 1 < count ? kDescriptorNext : uint16_t{0});
  }
  return Chained::kSent;
}

// Slots one after the other, with their buffers in one region.
struct Stretch {
  Descriptor* slots;
  const Descriptor* offered;
  uint32_t count;
  uint16_t region;
  RegionView view;
};

struct Plain {
  uint32_t frames = 0;
  uint64_t bytes = 0;
};

// The lines that frames go to, descriptors and buffers' first, are asked for before they are written: the receiver's core
// owns them. So many slots together, while those before them are filled. Measured, 64-byte frames: 1.07 times as many.
constexpr uint32_t kAhead = 16;

// An address that is not checked yet will do: a prefetch never faults.
[[gnu::always_inline]] inline void ask_for(const Stretch& stretch, uint32_t first) {
  const uint32_t end = std::min(first + kAhead, stretch.count);
  for (uint32_t n = first; n < end; ++n) {
    prefetch_for_write(&stretch.slots[n]);
    prefetch_for_write(stretch.view.base + load_once(&stretch.offered[n]).offset);
  }
}

// Frames into one buffer each, as nearly all are: those of one kAhead. Stops before the first that is something else. A
// loop of its own, so that all it needs stays in registers; another one where frames lie in several pieces (`kPieces`), so
// that whole ones do not pay for them.
template <uint32_t kWidth, bool kPieces>
[[gnu::always_inline]] inline void transmit_plain(const Stretch& stretch, uint32_t end,
                                                  const Burst& burst, const uint8_t* index,
                                                  Plain& sent) {
  const auto [slots, offered, count, region, view] = stretch;
  uint32_t n = sent.frames;
  uint64_t bytes = 0;
  for (; n < end; ++n) {
    const uint32_t i = index[n];
    const Frame& frame = burst.frames[i];
    const uint32_t length = frame.length;
    Descriptor d = load_once(&offered[n]);
    if (d.region != region || uint64_t{d.offset} + d.length > view.size) [[unlikely]] {
      break;
    }
    if (length > d.length || length < kLine / 2 || (!kPieces && frame.segments != 0)) [[unlikely]] {
      break;
    }
    std::byte* const to = view.base + d.offset;
    const std::byte* const header = burst.headers[i].data();
    if (length >= kLine) [[likely]] {
      if constexpr (kPieces) {
        copy_pieces<kWidth>(to, burst, frame);
      } else {
        copy_rest<kWidth>(to, frame.data, length);
      }
      copy_line<kWidth>(to, header);
    } else {
      copy_line_or_less<kWidth>(to, header, length);
    }
    d.length = length;
    d.flags = 0;
    store(&slots[n], d);
    bytes += length;
  }
  sent.frames = n;
  sent.bytes += bytes;
}

template <uint32_t kWidth, bool kPieces>
[[gnu::always_inline]] inline Plain transmit_stretch(const Stretch& stretch, const Burst& burst,
                                                     const uint8_t* index) {
  Plain sent;
  ask_for(stretch, 0);
  for (uint32_t end = 0; sent.frames == end && end < stretch.count;) {
    end = std::min(end + kAhead, stretch.count);
    ask_for(stretch, end);
    transmit_plain<kWidth, kPieces>(stretch, end, burst, index, sent);
  }
  return sent;
}

template <bool kPieces>
Plain transmit_stretch_by_16(const Stretch& stretch, const Burst& burst, const uint8_t* index) {
  return transmit_stretch<16, kPieces>(stretch, burst, index);
}
template <bool kPieces>
[[gnu::target("avx2,prfchw")]] Plain transmit_stretch_by_32(const Stretch& stretch,
                                                            const Burst& burst,
                                                            const uint8_t* index) {
  return transmit_stretch<32, kPieces>(stretch, burst, index);
}
template <bool kPieces>
[[gnu::target("avx512f,prfchw")]] Plain transmit_stretch_by_64(const Stretch& stretch,
                                                               const Burst& burst,
                                                               const uint8_t* index) {
  return transmit_stretch<64, kPieces>(stretch, burst, index);
}

const auto transmit_whole = widest(transmit_stretch_by_16<false>, transmit_stretch_by_32<false>,
                                   transmit_stretch_by_64<false>);
const auto transmit_pieces = widest(transmit_stretch_by_16<true>, transmit_stretch_by_32<true>,
                                    transmit_stretch_by_64<true>);

Transmitted transmit_from(Cursor& at, Burst& burst, const uint8_t* index, uint32_t count) {
  Transmitted result;
  uint32_t done = 0;
  while (done < count && at.used < at.room) {
    Descriptor d;
    result.fault = at.buffer(0, d);
    if (result.fault != Fault::kNone) [[unlikely]] {
      break;
    }
    const uint32_t slot = at.slot();
    const Stretch stretch{.slots = at.slots + slot,
                          .offered = at.offered + slot,
                          .count = std::min({count - done, at.room - at.used, at.mask + 1 - slot}),
                          .region = d.region,
                          .view = at.regions.views[d.region]};
    const bool pieces = burst.frames[index[done]].segments != 0;
    const Plain plain = (pieces ? transmit_pieces : transmit_whole)(stretch, burst, index + done);
    done += plain.frames;
    at.used += plain.frames;
    result.bytes += plain.bytes;
    if (plain.frames > 0) [[likely]] {
      continue;
    }
    const uint16_t i = index[done];
    const Chained chained = transmit_chain(at, burst, i, result.fault);
    if (chained == Chained::kFull) {
      break;
    }
    if (chained == Chained::kNoRoom) {
      ++result.no_room;
      burst.fate[i] = fate_of(Drop::kNoRoom);
    } else {
      result.bytes += burst.frames[i].length;
    }
    ++done;
  }
  result.done = static_cast<uint16_t>(done);
  result.frames = static_cast<uint16_t>(done - result.no_room);
  return result;
}

}  // namespace

Transmitted transmit(Ring& ring, const RegionTable& regions, Burst& burst, const uint8_t* index,
                     uint16_t count) {
  const uint16_t room = available(ring);
  if (room > ring.size) [[unlikely]] {
    Transmitted nothing;
    nothing.fault = Fault::kIndexJump;
    return nothing;
  }
  Cursor at{.regions = regions,
            .slots = ring.slots,
            .offered = ring.lent != nullptr ? ring.lent : ring.slots,
            .mask = ring.mask,
            .room = room,
            .start = ring.position};
  const Transmitted result = transmit_from(at, burst, index, count);
  if (at.used > 0) {
    publish(ring, static_cast<uint16_t>(at.used));
  }
  return result;
}

}  // namespace memswitch::memif
