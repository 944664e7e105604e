// What a worker has seen for a capture, on its way to the reader: records one behind the other in memory that is there
// before the first frame comes. One writer, one reader; when it is full, frames are counted as lost and the worker goes
// on. Records are written first and published together, because what became of a frame is known later.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dataplane/drops.h"
#include "tables/limits.h"

namespace memswitch {

enum class Direction : uint8_t { kRx, kTx };

// A frame seen; its bytes follow.
struct CaptureRecord {
  uint32_t size;      // of the record, with its bytes and padding
  uint32_t length;    // of the frame
  uint32_t captured;  // bytes that follow
  PortId port;        // kNoPort: nothing, only to be passed over
  Direction direction;
  Fate fate;
  uint64_t time;   // ns since 1970
  uint32_t frame;  // in its burst; the writer's note

  [[nodiscard]] const std::byte* bytes() const {
    return reinterpret_cast<const std::byte*>(this + 1);
  }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
};

static_assert(sizeof(CaptureRecord) == 32);

class CaptureRing {
 public:
  // `bytes`: a power of two.
  explicit CaptureRing(size_t bytes) : memory_(bytes / sizeof(uint64_t)), mask_(bytes - 1) {}

  // --- the writer

  // Room for a record with so many bytes; null: there is none, and the frame is counted as lost.
  CaptureRecord* reserve(uint32_t captured) {
    const auto size = static_cast<uint32_t>((sizeof(CaptureRecord) + captured + 7) & ~size_t{7});
    const uint64_t to_end = mask_ + 1 - (head_ & mask_);
    const uint64_t wanted = size <= to_end ? size : to_end + size;
    if (head_ + wanted - known_tail_ > mask_ + 1) {
      known_tail_ = tail_.load(std::memory_order_acquire);
      if (head_ + wanted - known_tail_ > mask_ + 1) {
        lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return nullptr;
      }
    }
    if (size > to_end) {
      // No record lies across the end. The rest may be too small for one: its size is all that is read.
      const auto rest = static_cast<uint32_t>(to_end) | kFiller;
      std::memcpy(at(head_), &rest, sizeof rest);
      head_ += to_end;
    }
    auto* record = reinterpret_cast<CaptureRecord*>(at(head_));
    record->size = size;
    record->captured = captured;
    head_ += size;
    return record;
  }

  // Visits what is reserved and not yet published.
  template <typename Visit>
  void each_reserved(Visit visit) {
    each(published_.load(std::memory_order_relaxed), head_, visit);
  }
  void publish() { published_.store(head_, std::memory_order_release); }
  // Takes back what is not published.
  void cancel() { head_ = published_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool has_reserved() const {
    return head_ != published_.load(std::memory_order_relaxed);
  }

  // --- the reader

  // The oldest record, until pop(); null: none.
  [[nodiscard]] const CaptureRecord* front() {
    while (read_ != published_.load(std::memory_order_acquire)) {
      uint32_t size = 0;
      std::memcpy(&size, at(read_), sizeof size);
      const auto* record = reinterpret_cast<const CaptureRecord*>(at(read_));
      if ((size & kFiller) == 0 && record->port != kNoPort) {
        return record;
      }
      read_ += size & ~kFiller;
      tail_.store(read_, std::memory_order_release);
    }
    return nullptr;
  }
  void pop() {
    read_ += reinterpret_cast<const CaptureRecord*>(at(read_))->size;
    tail_.store(read_, std::memory_order_release);
  }

  // --- anybody

  [[nodiscard]] uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kFiller = 1U << 31;

  std::byte* at(uint64_t position) {
    return reinterpret_cast<std::byte*>(memory_.data()) + (position & mask_);
  }

  template <typename Visit>
  void each(uint64_t from, uint64_t to, Visit visit) {
    while (from != to) {
      uint32_t size = 0;
      std::memcpy(&size, at(from), sizeof size);
      if ((size & kFiller) == 0) {
        visit(*reinterpret_cast<CaptureRecord*>(at(from)));
      }
      from += size & ~kFiller;
    }
  }

  std::vector<uint64_t> memory_;
  const uint64_t mask_;
  // The writer's.
  alignas(64) uint64_t head_ = 0;
  uint64_t known_tail_ = 0;
  std::atomic<uint64_t> lost_{0};
  alignas(64) std::atomic<uint64_t> published_{0};
  // The reader's.
  alignas(64) uint64_t read_ = 0;
  std::atomic<uint64_t> tail_{0};
};

}  // namespace memswitch
