// Lengths and Ethernet addresses out of the snapshot. They are checked here, once, and trusted from here on. VLAN tags
// stay where they are: a bridge carries them through untouched.
//
// Frames come in trains of one source and one destination, so a burst is cut into runs, and only those are looked at
// from here to deliver(). Measured, a burst of one run: 39 instructions a frame became 3 (hash, learn, look up).
#include <cstring>

#include "dataplane/fate.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

// Both addresses, as they stand in the header.
struct Addresses {
  uint64_t low;   // destination, and the first two bytes of the source
  uint32_t high;  // the rest of the source

  explicit Addresses(const std::byte* header) {
    std::memcpy(&low, header, sizeof low);
    std::memcpy(&high, header + sizeof low, sizeof high);
  }
  [[nodiscard]] bool operator==(const Addresses&) const = default;
  [[nodiscard]] Mac destination() const { return low & kMacMask; }
  [[nodiscard]] Mac source() const { return low >> 48 | Mac{high} << 16; }
};

struct Lengths {
  uint64_t bytes;
  uint32_t longest;
  uint32_t shortest;
};

// Four counts at a time, of which only the first is a frame's length; that is one instruction each with the length
// where it lies. The sum of a burst fits into 32 bits.
Lengths measure(const Burst& burst) {
  using Half [[gnu::vector_size(16), gnu::may_alias]] = uint32_t;
  static_assert(uint64_t{kBurst} * (kMaxFrame + 1) <= UINT32_MAX);
  Half bytes{};
  Half longest{};
  Half shortest = ~Half{};
  const Frame* const end = burst.frames.data() + burst.count;
  for (const Frame* frame = burst.frames.data(); frame != end; ++frame) {
    const Half& half = *reinterpret_cast<const Half*>(&frame->length);
    bytes += half;
    longest = longest > half ? longest : half;
    shortest = shortest < half ? shortest : half;
  }
  return {.bytes = bytes[0], .longest = longest[0], .shortest = shortest[0]};
}

// Cuts the burst into runs. `kThinned`: some frames are dropped.
template <bool kThinned>
void cut(Burst& burst) {
  const uint32_t count = burst.count;
  const auto is_dropped = [&](uint32_t i) { return kThinned && burst.fate[i] != kUnderWay; };
  uint16_t runs = 0;
  for (uint32_t i = 0; i < count;) {
    if (is_dropped(i)) {
      ++i;
      continue;
    }
    const Addresses addresses(burst.headers[i].data());
    const uint32_t first = i;
    do {
      ++i;
    } while (i < count && Addresses(burst.headers[i].data()) == addresses && !is_dropped(i));
    Run& run = burst.runs[runs++];
    run.destination = addresses.destination();
    run.source = addresses.source();
    run.first = static_cast<uint16_t>(first);
    run.count = static_cast<uint16_t>(i - first);
  }
  burst.run_count = runs;
}

[[gnu::noinline, gnu::cold]] void drop_by_length(Burst& burst, PortCounters& in,
                                                 uint32_t max_frame) {
  for (uint16_t i = 0; i < burst.count; ++i) {
    const uint32_t length = burst.frames[i].length;
    if (length < kMinFrame || length > max_frame) {
      drop(burst, i, length < kMinFrame ? Drop::kRunt : Drop::kOversize, in);
    }
  }
}

[[gnu::noinline, gnu::cold]] void drop_run(Burst& burst, const Run& run, PortCounters& in) {
  for (uint16_t i = run.first; i < run.first + run.count; ++i) {
    if (burst.fate[i] == kUnderWay) {
      drop(burst, i, Drop::kBadSource, in);
    }
  }
}

}  // namespace

void classify(Burst& burst, PortCounters& in, uint32_t max_frame) {
  burst.fate.fill(kUnderWay);
  burst.thinned = burst.has_vlans = false;
  cut<false>(burst);
  const Lengths lengths = measure(burst);
  burst.longest = lengths.longest;
  in.rx_frames.add(burst.count);
  in.rx_bytes.add(lengths.bytes);
  if (lengths.shortest < kMinFrame || lengths.longest > max_frame) [[unlikely]] {
    drop_by_length(burst, in, max_frame);
  }
  for (const Run& run : burst.all_runs()) {
    if (is_group(run.source) || run.source == 0) [[unlikely]] {
      drop_run(burst, run, in);
    }
  }
}

void thin(Burst& burst) {
  cut<true>(burst);
  burst.thinned = false;
}

}  // namespace memswitch
