#include "memif/ring.h"

#include <unistd.h>

#include <algorithm>

#include "dataplane/copy.h"

namespace memswitch::memif {

namespace {

// A chain from its second piece on. Returns slots taken; 0: not complete yet, or a violation.
uint16_t receive_chain(const Ring& ring, const RegionTable& regions, uint16_t at, uint16_t waiting,
                       Frame& frame, Burst& burst, Violation& violation) {
  frame.segment = burst.segments;
  for (uint16_t i = 1; i < waiting; ++i) {
    const Descriptor d = load_once(&ring.slots[static_cast<uint16_t>(at + i) & ring.mask]);
    violation = check(d, regions);
    if (violation == Violation::kNone && i >= kMaxSegments) {
      violation = Violation::kEndlessChain;
    }
    if (violation != Violation::kNone) {
      return 0;
    }
    burst.pieces[frame.segment + frame.segments] = {regions.views[d.region].base + d.offset,
                                                    d.length};
    ++frame.segments;
    frame.length += std::min(d.length, kMaxFrame + 1);  // so that the sum cannot run over
    if ((d.flags & kDescriptorNext) == 0) {
      burst.segments = static_cast<uint16_t>(burst.segments + frame.segments);
      return static_cast<uint16_t>(i + 1);
    }
  }
  if (waiting == ring.size) {
    violation = Violation::kEndlessChain;  // there is no slot left in which it could end
  }
  return 0;
}

}  // namespace

const char* violation_text(Violation violation) {
  switch (violation) {
    case Violation::kNone:
      return "";
    case Violation::kIndexJump:
      return "ring index moved by more than the ring's size";
    case Violation::kBadRegion:
      return "descriptor names a region that was not announced";
    case Violation::kOutsideRegion:
      return "descriptor reaches outside its region";
    case Violation::kEndlessChain:
      return "chained descriptors never end";
  }
  return "";
}

Violation receive(const Ring& ring, const RegionTable& regions, Burst& burst) {
  const uint16_t waiting = available(ring);
  if (waiting > ring.size) [[unlikely]] {
    return Violation::kIndexJump;
  }
  const uint16_t at = ring.position;
  uint16_t taken = 0;
  uint16_t count = 0;
  burst.segments = 0;
  Violation violation = Violation::kNone;
  while (taken < waiting && count < kBurst) {
    const Descriptor d = load_once(&ring.slots[static_cast<uint16_t>(at + taken) & ring.mask]);
    violation = check(d, regions);
    if (violation != Violation::kNone) [[unlikely]] {
      break;
    }
    Frame& frame = burst.frames[count];
    frame.data = regions.views[d.region].base + d.offset;
    frame.buffer = nullptr;
    frame.length = d.length;
    frame.first_length = d.length;
    frame.segments = 0;
    __builtin_prefetch(frame.data);
    uint16_t slots = 1;
    if ((d.flags & kDescriptorNext) != 0) [[unlikely]] {
      if (burst.segments + kMaxSegments > kBurstSegments) {
        break;  // the next burst has room for it
      }
      frame.length = std::min(d.length, kMaxFrame + 1);
      slots = receive_chain(ring, regions, static_cast<uint16_t>(at + taken),
                            static_cast<uint16_t>(waiting - taken), frame, burst, violation);
      if (slots == 0) {
        break;
      }
    }
    taken = static_cast<uint16_t>(taken + slots);
    ++count;
  }
  burst.count = count;
  burst.slots = taken;
  return violation;
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

// The whole frame into one buffer.
inline void write_frame(std::byte* to, const Burst& burst, uint16_t i) {
  const Frame& frame = burst.frames[i];
  const std::byte* header = burst.headers[i].data();
  if (frame.length <= kHeaderBytes) {
    copy_short(to, header, frame.length);
  } else if (frame.segments == 0) {
    copy_fixed<kHeaderBytes>(to, header);
    std::memcpy(to + kHeaderBytes, frame.data + kHeaderBytes, frame.length - kHeaderBytes);
  } else {
    Source(burst, i).copy(to, frame.length);
  }
}

// The buffer of a slot: a client's own, or what the peer offers, checked.
inline Violation buffer_of(const Ring& ring, const RegionTable& regions, uint16_t position,
                           Descriptor& d) {
  const uint16_t slot = position & ring.mask;
  if (ring.lent != nullptr) {
    d = ring.lent[slot];
    return Violation::kNone;
  }
  d = load_once(&ring.slots[slot]);
  return check(d, regions);
}

inline void fill_slot(const Ring& ring, uint16_t position, Descriptor d, uint32_t length,
                      uint16_t flags) {
  d.length = length;
  d.flags = flags;
  store(&ring.slots[position & ring.mask], d);
}

// A frame over several of the peer's buffers. Nothing is filled unless all of it fits: returns the slots used, or
// 0 with the reason in `result`.
uint16_t fill_chain(const Ring& ring, const RegionTable& regions, const Burst& burst, uint16_t i,
                    uint16_t position, uint16_t room, Transmitted& result) {
  const uint32_t length = burst.frames[i].length;
  Descriptor taken[kMaxSegments];
  uint64_t space = 0;
  uint16_t slots = 0;
  while (space < length && slots < room && slots < kMaxSegments) {
    Descriptor& d = taken[slots];
    result.violation =
        buffer_of(ring, regions, static_cast<uint16_t>(position + slots), d);
    if (result.violation != Violation::kNone) {
      return 0;
    }
    space += d.length;
    ++slots;
  }
  if (space < length) {
    if (slots == ring.size || slots == kMaxSegments) {
      ++result.no_room;
    }
    return 0;
  }
  Source source(burst, i);
  uint32_t left = length;
  for (uint16_t s = 0; s < slots; ++s) {
    const Descriptor& d = taken[s];
    const uint32_t part = std::min(left, d.length);
    source.copy(regions.views[d.region].base + d.offset, part);
    left -= part;
    fill_slot(ring, static_cast<uint16_t>(position + s), d, part,
              s + 1 < slots ? kDescriptorNext : uint16_t{0});
  }
  return slots;
}

}  // namespace

Transmitted transmit(Ring& ring, const RegionTable& regions, const Burst& burst,
                     const uint8_t* index, uint16_t count) {
  Transmitted result;
  uint16_t room = available(ring);
  if (room > ring.size) [[unlikely]] {
    result.violation = Violation::kIndexJump;
    return result;
  }
  uint16_t used = 0;
  for (; result.done < count && room > 0; ++result.done) {
    const uint16_t i = index[result.done];
    const uint32_t length = burst.frames[i].length;
    const auto position = static_cast<uint16_t>(ring.position + used);
    Descriptor d;
    result.violation = buffer_of(ring, regions, position, d);
    if (result.violation != Violation::kNone) [[unlikely]] {
      break;
    }
    uint16_t slots = 1;
    if (length <= d.length) [[likely]] {
      write_frame(regions.views[d.region].base + d.offset, burst, i);
      fill_slot(ring, position, d, length, 0);
    } else {
      const uint16_t no_room = result.no_room;
      slots = fill_chain(ring, regions, burst, i, position, room, result);
      if (result.no_room != no_room) {
        continue;
      }
      if (slots == 0) {
        break;
      }
    }
    used = static_cast<uint16_t>(used + slots);
    room = static_cast<uint16_t>(room - slots);
    ++result.frames;
    result.bytes += length;
  }
  if (used > 0) {
    publish(ring, used);
  }
  return result;
}

void ring_doorbell(const Ring& ring) {
  const uint64_t one = 1;
  // A full counter (EAGAIN) is as good: the peer has a wake-up waiting.
  [[maybe_unused]] const ssize_t written = ::write(ring.doorbell, &one, sizeof one);
}

}  // namespace memswitch::memif
