#include "memif/ring.h"

#include <algorithm>

#include "dataplane/copy.h"

namespace memswitch::memif {

namespace {

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

Fault receive(const Ring& ring, const RegionTable& regions, Burst& burst) {
  const uint16_t waiting = available(ring);
  if (waiting > ring.size) [[unlikely]] {
    burst.count = burst.slots = 0;
    return Fault::kIndexJump;
  }
  // In locals: a store into the burst could alias them, as far as the compiler knows.
  Descriptor* const slots = ring.slots;
  const RegionTable table = regions;
  const uint32_t mask = ring.mask;
  const uint32_t at = ring.position;
  uint32_t taken = 0;
  uint16_t count = 0;
  burst.segments = 0;
  Fault fault = Fault::kNone;
  for (; taken < waiting && count < kBurst; ++count) {
    const Descriptor d = load_once(&slots[(at + taken) & mask]);
    fault = check(d, table);
    if (fault != Fault::kNone) [[unlikely]] {
      break;
    }
    Frame& frame = burst.frames[count];
    frame = {.data = table.views[d.region].base + d.offset,
             .buffer = nullptr,
             .length = d.length,
             .first_length = d.length,
             .segment = 0,
             .segments = 0};
    __builtin_prefetch(frame.data);
    ++taken;
    if ((d.flags & kDescriptorNext) != 0) [[unlikely]] {
      const uint16_t more =
          receive_chain(ring, table, static_cast<uint16_t>(at + taken),
                        static_cast<uint16_t>(waiting - taken), frame, burst, fault);
      if (more == 0) {
        --taken;
        break;
      }
      taken += more;
    }
  }
  burst.count = count;
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

// A frame of one piece into one buffer.
inline void write_frame(std::byte* to, const Frame& frame, const std::byte* header,
                        uint32_t length) {
  if (length < kHeaderBytes) {
    copy_short(to, header, length);
    return;
  }
  copy_fixed<kHeaderBytes>(to, header);
  if (length > kHeaderBytes) {
    std::memcpy(to + kHeaderBytes, frame.data + kHeaderBytes, length - kHeaderBytes);
  }
}

// Where transmit() is in a ring. Kept in locals, apart from the ring and the results: a store into a peer's memory
// could alias those, and the compiler would load them again for every frame.
struct Cursor {
  const RegionView* const views;
  const uint32_t regions;
  Descriptor* const slots;
  const Descriptor* const lent;
  const uint32_t mask;
  const uint32_t room;   // slots that are ours
  const uint32_t start;  // the first of them
  uint32_t used = 0;

  // The n-th unused slot's buffer: a client's own, or what the peer offers, checked.
  template <bool kLent>
  [[nodiscard]] Fault buffer(uint32_t n, Descriptor& d) const {
    const uint32_t slot = (start + used + n) & mask;
    if constexpr (kLent) {
      d = lent[slot];
      return Fault::kNone;
    }
    d = load_once(&slots[slot]);
    return check(d, {views, regions});
  }
  [[nodiscard]] std::byte* memory(const Descriptor& d) const {
    return views[d.region].base + d.offset;
  }
  void fill(Descriptor d, uint32_t length, uint16_t flags) {
    d.length = length;
    d.flags = flags;
    store(&slots[(start + used) & mask], d);
    ++used;
  }
};

enum class Chained : uint8_t { kSent, kFull, kNoRoom };

// A frame over several of the peer's buffers. Nothing is filled unless all of it fits.
template <bool kLent>
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
    fault = at.buffer<kLent>(count, buffers[count]);
    if (fault != Fault::kNone) {
      return Chained::kFull;
    }
    space += buffers[count++].length;
  }
  Source source(burst, i);
  uint32_t left = length;
  for (uint16_t b = 0; b < count; ++b) {
    const uint32_t part = std::min(left, buffers[b].length);
    source.copy(at.memory(buffers[b]), part);
    left -= part;
    at.fill(buffers[b], part, b + 1 < count ? kDescriptorNext : uint16_t{0});
  }
  return Chained::kSent;
}

template <bool kLent>
Transmitted transmit_from(Cursor at, const Burst& burst, const uint8_t* index, uint16_t count,
                          uint32_t& used) {
  Transmitted result;
  uint32_t done = 0;
  uint64_t bytes = 0;
  for (; done < count && at.used < at.room; ++done) {
    const uint16_t i = index[done];
    const Frame& frame = burst.frames[i];
    const uint32_t length = frame.length;
    Descriptor d;
    result.fault = at.buffer<kLent>(0, d);
    if (result.fault != Fault::kNone) [[unlikely]] {
      break;
    }
    if (length <= d.length && frame.segments == 0) [[likely]] {
      write_frame(at.memory(d), frame, burst.headers[i].data(), length);
      at.fill(d, length, 0);
    } else {
      const Chained chained = transmit_chain<kLent>(at, burst, i, result.fault);
      if (chained == Chained::kFull) {
        break;
      }
      if (chained == Chained::kNoRoom) {
        ++result.no_room;
        continue;
      }
    }
    bytes += length;
  }
  result.done = static_cast<uint16_t>(done);
  result.frames = static_cast<uint16_t>(done - result.no_room);
  result.bytes = bytes;
  used = at.used;
  return result;
}

}  // namespace

Transmitted transmit(Ring& ring, const RegionTable& regions, const Burst& burst,
                     const uint8_t* index, uint16_t count) {
  const uint16_t room = available(ring);
  if (room > ring.size) [[unlikely]] {
    Transmitted nothing;
    nothing.fault = Fault::kIndexJump;
    return nothing;
  }
  const Cursor at{.views = regions.views,
                  .regions = regions.count,
                  .slots = ring.slots,
                  .lent = ring.lent,
                  .mask = ring.mask,
                  .room = room,
                  .start = ring.position};
  uint32_t used = 0;
  const Transmitted result = ring.lent != nullptr
                                 ? transmit_from<true>(at, burst, index, count, used)
                                 : transmit_from<false>(at, burst, index, count, used);
  if (used > 0) {
    publish(ring, static_cast<uint16_t>(used));
  }
  return result;
}

}  // namespace memswitch::memif
