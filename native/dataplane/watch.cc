#include "dataplane/watch.h"

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace memswitch {

namespace {

// Asked for once a burst, and answered in user space.
uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// A copy is not copied again, whatever ways there are between the ports.
thread_local bool copying = false;

uint64_t sum_of_drops(const PortCounters& counters) {
  uint64_t sum = 0;
  for (const Counter& drops : counters.drops) {
    sum += drops.get();
  }
  return sum;
}

// Those that the port's MTU lets pass.
std::span<const uint8_t> short_enough(const Burst& burst, std::span<const uint8_t> which,
                                      uint32_t most, std::array<uint8_t, kBurst>& kept) {
  size_t count = 0;
  for (const uint8_t i : which) {
    if (burst.frames[i].length <= most) {
      kept[count++] = i;
    }
  }
  return {kept.data(), count};
}

// Frames that are still to go elsewhere lend their buffers only.
void lend(Mirror& mirror, Burst& burst, std::span<const uint8_t> which, uint16_t worker,
          PortCounters& outcome) {
  std::array<bool, kBurst> shared;
  for (const uint8_t i : which) {
    shared[i] = std::exchange(burst.frames[i].shared, true);
  }
  transmit_watched(*mirror.to, burst, which, worker, outcome);
  for (const uint8_t i : which) {
    burst.frames[i].shared = shared[i];
  }
}

// A fate that the frames have is lost by this.
void copy(Mirror& mirror, Burst& burst, std::span<const uint8_t> which, uint16_t worker,
          PortCounters& source) {
  Mirror::Lane& lane = mirror.lanes[worker];
  if (which.empty() || lane.to == nullptr) {
    return;
  }
  source.copies.add(which.size());
  std::array<uint8_t, kBurst> kept;
  const uint32_t most = mirror.to->max_frame.load(std::memory_order_relaxed);
  const std::span<const uint8_t> sent = short_enough(burst, which, most, kept);
  PortCounters outcome{};
  copying = true;
  lend(mirror, burst, sent, worker, outcome);
  copying = false;
  const uint64_t lost = sum_of_drops(outcome) + which.size() - sent.size();
  lane.to->tx_frames.add(outcome.tx_frames.get());
  lane.to->tx_bytes.add(outcome.tx_bytes.get());
  lane.to->copies.add(outcome.copies.get());
  lane.to->drop(Drop::kMirrorLost, lost);
  lane.frames.add(which.size() - std::min<uint64_t>(lost, which.size()));
  lane.bytes.add(outcome.tx_bytes.get());
  lane.lost.add(lost);
  // Now, and not when the worker has time: few mirror, and this may be no worker's burst but one inside a tunnel.
  _mm_mfence();
  mirror.to->settle(worker, *lane.to);
}

}  // namespace

void Watch::came(Burst& burst, uint16_t worker, PortCounters& counters) const {
  if (!captures_.empty()) {
    const uint64_t now = now_ns();
    for (const auto& capture : captures_) {
      capture->came(port_, burst, worker, now);
    }
  }
  if (mirrors_.empty() || copying) {
    return;
  }
  std::array<uint8_t, kBurst> whole;
  size_t count = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (burst.frames[i].length >= kMinFrame && burst.frames[i].length <= kMaxFrame) {
      whole[count++] = static_cast<uint8_t>(i);
    }
  }
  for (const auto& mirror : mirrors_) {
    if (mirror->rx) {
      copy(*mirror, burst, {whole.data(), count}, worker, counters);
    }
  }
}

void Watch::begin(Burst& burst, std::span<const uint8_t> which) const {
  for (const uint8_t i : which) {
    burst.fate[i] = kUnderWay;
  }
}

void Watch::leaving(Burst& burst, std::span<const uint8_t> which, uint16_t worker) const {
  if (!captures_.empty()) {
    const uint64_t now = now_ns();
    for (const auto& capture : captures_) {
      capture->leaving(port_, burst, which, worker, now);
    }
  }
  // What is to be copied afterwards must not be given away.
  if (!copying && std::ranges::any_of(mirrors_, [](const auto& mirror) { return mirror->tx; })) {
    for (const uint8_t i : which) {
      burst.frames[i].shared = true;
    }
  }
}

void Watch::left(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                 PortCounters& counters) const {
  for (const auto& capture : captures_) {
    capture->left(port_, burst, worker);
  }
  if (mirrors_.empty() || copying) {
    return;
  }
  std::array<uint8_t, kBurst> gone;
  size_t count = 0;
  for (const uint8_t i : which) {
    if (burst.fate[i] == kUnderWay) {
      gone[count++] = i;
    }
  }
  for (const auto& mirror : mirrors_) {
    if (mirror->tx) {
      copy(*mirror, burst, {gone.data(), count}, worker, counters);
    }
  }
}

}  // namespace memswitch
