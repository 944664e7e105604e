// Tags of VLANs put on and taken off, of frames of any bytes in any number of pieces. Input: how it is cut, then the frame.
#include "dataplane/vlan.h"

#include <memory>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/headers.h"
#include "dataplane/pieces.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

namespace {

using Content = std::vector<std::byte>;

// A burst of one frame in pieces of `piece` bytes, in one run.
void cut_up(Burst& burst, const Content& bytes, uint32_t piece) {
  const auto length = static_cast<uint32_t>(bytes.size());
  burst.count = burst.run_count = 1;
  burst.segments = 0;
  burst.longest = length;
  burst.fate.fill(kUnderWay);
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
  burst.runs[0] = {.destination = 0,
                   .source = 0,
                   .destination_hash = 0,
                   .source_hash = 0,
                   .first = 0,
                   .count = 1};
}

// As a port sends it: the snapshot, then what lies behind in the frame.
Content sent(const Burst& burst) {
  const Frame& frame = burst.frames[0];
  const std::byte* header = burst.headers[0].data();
  Content all(header, header + std::min(frame.length, kHeaderBytes));
  const auto known = static_cast<uint32_t>(all.size());
  each_piece(
      burst, frame, known, frame.length - known,
      [&](const std::byte* data, uint32_t length) { all.insert(all.end(), data, data + length); });
  hold(all.size() == frame.length, "the pieces are as long as the frame");
  return all;
}

}  // namespace

void vlan(Bytes bytes) {
  Input input(bytes);
  const auto how = input.take<uint8_t>();
  Content frame(std::min<size_t>(std::max<size_t>(bytes.size(), 1) - 1, size_t{4096}));
  input.take(frame.data(), frame.size());
  if (frame.size() < kMinFrame) {
    return;
  }
  Vlans trunk;
  trunk.untagged = (how & 1) != 0 ? 1 : 0;
  for (uint16_t vlan = 2; vlan <= kMaxVlan; ++vlan) {
    trunk.add(vlan);
  }
  static Burst burst;
  static const auto room = std::make_unique<PrivateRoom>();
  static PortCounters counters;
  cut_up(burst, frame, 10U + (how >> 1));
  sort_by_vlan(burst, trunk, counters);
  if (burst.run_count == 0) {
    hold(burst.fate[0] != kUnderWay, "what is in no run is dropped");
    return;
  }
  const uint16_t vlan = vlan_of(burst.runs[0].destination);
  const bool tagged = is_tag(load_be16(frame.data() + kTypeAt));
  hold(vlan >= 1 && vlan <= kMaxVlan && trunk.carries(vlan), "it has a VLAN of the port");

  Content bare = frame;
  uint32_t tag = uint32_t{kCustomerTag} << 16 | vlan;
  if (tagged) {
    tag = (load_be32(frame.data() + kTypeAt) & ~0xfffU) | vlan;
    bare.erase(bare.begin() + kTypeAt, bare.begin() + kTypeAt + kTagBytes);
  }
  Content whole = bare;
  whole.insert(whole.begin() + kTypeAt, kTagBytes, std::byte{0});
  store_be32(whole.data() + kTypeAt, tag);

  Vlans access;
  access.untagged = vlan;
  Vlans other;
  other.add(vlan);
  const std::array<uint8_t, 1> which{0};
  std::array<uint8_t, kBurst> kept;
  for (const bool with : {true, false, false, true, true, false}) {
    const auto left = retag(burst, which, with ? other : access, counters, *room, kept);
    hold(left.size() == 1, "it leaves by a member");
    hold(sent(burst) == (with ? whole : bare), "only the tag differs");
    hold(burst.longest >= burst.frames[0].length, "the longest frame is known");
  }
}

}  // namespace fuzz
