#include "dataplane/capture.h"

#include <algorithm>
#include <cstring>

#include "dataplane/pieces.h"

namespace memswitch {

namespace {

// At most `most` bytes of a frame, the first ones as they were looked at. Returns how many.
uint32_t copy_out(std::byte* to, uint32_t most, const Burst& burst, uint16_t index) {
  const Frame& frame = burst.frames[index];
  const uint32_t wanted = std::min(most, frame.length);
  uint32_t done = std::min(wanted, kHeaderBytes);
  std::memcpy(to, burst.headers[index].data(), done);
  each_piece(burst, frame, done, wanted - done, [&](const std::byte* data, uint32_t size) {
    std::memcpy(to + done, data, size);
    done += size;
  });
  return done;
}

}  // namespace

// Most filters look at no more than the snapshot.
bool Capture::wants(const Burst& burst, uint16_t frame, Lane& lane) const {
  const uint32_t length = burst.frames[frame].length;
  const std::byte* header = burst.headers[frame].data();
  const Filter::Verdict first =
      options_.filter.judge(header, std::min(length, kHeaderBytes), length);
  if (first != Filter::Verdict::kMore) [[likely]] {
    return first == Filter::Verdict::kYes;
  }
  std::byte* whole = lane.scratch.data();
  const uint32_t gathered = copy_out(whole, kMaxFrame, burst, frame);
  return options_.filter.judge(whole, gathered, length) == Filter::Verdict::kYes;
}

void Capture::note(PortId port, Direction direction, const Burst& burst, uint16_t frame, Lane& lane,
                   uint64_t now) const {
  if (!wants(burst, frame, lane)) {
    return;
  }
  const uint32_t length = burst.frames[frame].length;
  CaptureRecord* record = lane.ring.reserve(std::min(length, options_.snaplen));
  if (record == nullptr) {
    return;
  }
  record->captured = copy_out(record->bytes(), record->captured, burst, frame);
  record->length = std::max(length, record->captured);
  record->port = port;
  record->direction = direction;
  record->fate = burst.fate[frame];
  record->time = now;
  record->frame = frame;
}

void Capture::came(PortId port, const Burst& burst, uint16_t worker, uint64_t now) const {
  if (!options_.rx || lanes_[worker] == nullptr) {
    return;
  }
  Lane& lane = *lanes_[worker];
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (!options_.only_drops || burst.fate[i] != kUnderWay) {
      note(port, Direction::kRx, burst, i, lane, now);
    }
  }
  if (lane.depth == 0) {
    lane.ring.publish();
  }
}

void Capture::leaving(PortId port, const Burst& burst, std::span<const uint8_t> which,
                      uint16_t worker, uint64_t now) const {
  if (!options_.tx || lanes_[worker] == nullptr) {
    return;
  }
  Lane& lane = *lanes_[worker];
  ++lane.depth;
  for (const uint8_t i : which) {
    note(port, Direction::kTx, burst, i, lane, now);
  }
}

void Capture::left(PortId port, const Burst& burst, uint16_t worker) const {
  if (!options_.tx || lanes_[worker] == nullptr) {
    return;
  }
  Lane& lane = *lanes_[worker];
  bool wanted = false;
  lane.ring.each_reserved([&](CaptureRecord& record) {
    if (record.port == port) {
      record.fate = burst.fate[record.frame];
      if (options_.only_drops && record.fate == kUnderWay) {
        record.port = kNoPort;
      }
    }
    wanted = wanted || record.port != kNoPort;
  });
  if (--lane.depth == 0) {
    wanted ? lane.ring.publish() : lane.ring.cancel();
  }
}

}  // namespace memswitch
