// Frames of a port that may speak for few addresses, whatever is in them, in any number of pieces. Input: how, how much
// longer the frame is than the bytes that follow, then the frame.
#include "dataplane/anti_spoof.h"

#include <vector>

#include "dataplane/take_private.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

namespace {

constexpr Mac kOwn = 0x0100'0000'0002;

// A burst of one frame, cut into pieces of `piece` bytes.
void cut(Burst& burst, const std::vector<std::byte>& bytes, uint32_t piece) {
  const auto length = static_cast<uint32_t>(bytes.size());
  burst.count = 1;
  burst.segments = 0;
  burst.frames[0] = {.data = bytes.data(),
                     .buffer = nullptr,
                     .length = length,
                     .first_length = std::min(piece, length),
                     .segment = 0,
                     .segments = 0};
  for (uint32_t at = piece; at < length; at += piece) {
    burst.pieces[burst.segments++] = {bytes.data() + at, std::min(piece, length - at)};
  }
  burst.frames[0].segments = burst.segments;
  std::memcpy(burst.headers[0].data(), bytes.data(), std::min(length, kHeaderBytes));
}

std::vector<std::byte> whole(const Burst& burst) {
  const Frame& frame = burst.frames[0];
  std::vector<std::byte> all(frame.data, frame.data + frame.first_length);
  for (uint16_t s = 0; s < frame.segments; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    all.insert(all.end(), piece.data, piece.data + piece.length);
  }
  return all;
}

}  // namespace

void anti_spoof(Bytes bytes) {
  Input input(bytes);
  const auto how = input.take<uint8_t>();
  Senders senders;
  senders.any_ip = (how & 1) != 0;
  if ((how & 2) != 0) {
    senders.macs = {kOwn};
  }
  senders.ipv4 = {{0x0a00'0000, 0x0a00'00ff}};
  senders.ipv6 = {{Senders::Ipv6{0xfe80} << 112, Senders::Ipv6{0xfebf} << 112}};
  // On the heap to its exact size, so that every byte read behind it is seen.
  std::vector<std::byte> frame(
      std::min<size_t>(std::max<size_t>(bytes.size(), 1) - 1, size_t{4096}));
  input.take(frame.data(), frame.size());
  if (frame.size() < kMinFrame) {
    return;
  }
  const auto length = static_cast<uint32_t>(frame.size());
  const std::vector<std::byte> head(frame.begin(),
                                    frame.begin() + std::min<uint32_t>(length, kJudgedBytes));
  bool needs_more = false;
  find_spoof(senders, head, length, needs_more);
  hold(!needs_more || length > kJudgedBytes, "more is asked for only where there is more");

  static Burst burst;
  cut(burst, frame, 10U + (how >> 2));
  std::vector<std::byte> room(kPrivateBytes);
  const std::span<const std::byte> taken = take_private(burst, 0, room);
  hold(taken.empty() || whole(burst) == frame, "the frame is what it was");
  if (!taken.empty()) {
    const std::vector<std::byte> exact(taken.begin(), taken.end());
    find_spoof(senders, exact, length, needs_more);
    hold(!needs_more, "it is asked once more, not for ever");
  }
}

}  // namespace fuzz
