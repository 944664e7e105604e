// What a port may send, or take, of frames and bits a second. What is more is dropped, not kept waiting: a policer.
#pragma once

#include <memory>
#include <span>

#include "dataplane/frame.h"
#include "dataplane/meter.h"

namespace memswitch {

struct RateLimit {
  std::unique_ptr<Meter> frames;  // null: no limit
  std::unique_ptr<Meter> bits;    // of frames as they lie in memory: without checksum and gap

  explicit operator bool() const { return frames != nullptr || bits != nullptr; }
};

// Those of the frames `which` that both buckets have tokens for: the first ones.
inline std::span<const uint8_t> within(const RateLimit& limit, uint64_t now, const Burst& burst,
                                       std::span<const uint8_t> which) {
  if (limit.frames) {
    const auto count = static_cast<uint16_t>(which.size());
    which = which.first(limit.frames->take(now, count, [](uint16_t) { return 1; }));
  }
  if (limit.bits) {
    const auto count = static_cast<uint16_t>(which.size());
    which = which.first(limit.bits->take(
        now, count, [&](uint16_t i) { return uint64_t{burst.frames[which[i]].length} * 8; }));
  }
  return which;
}

}  // namespace memswitch
