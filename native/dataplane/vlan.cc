#include "dataplane/vlan.h"

#include <algorithm>
#include <cstring>

#include "dataplane/copy.h"
#include "dataplane/counters.h"
#include "dataplane/fate.h"
#include "dataplane/headers.h"
#include "dataplane/pieces.h"

namespace memswitch {

namespace {

constexpr uint16_t kVlanMask = 0x0fff;

// Of the frame, or 0: the port does not carry it. Notes the tag that it has, or that it gets.
uint16_t find_vlan(Burst& burst, uint16_t i, const Vlans& vlans) {
  std::byte* header = burst.headers[i].data();
  const bool tagged = is_tag(load_be16(header + kTypeAt));
  if (tagged && burst.frames[i].length < kMinFrame + kTagBytes) {
    return 0;
  }
  const uint32_t tag = tagged ? load_be32(header + kTypeAt) : uint32_t{kCustomerTag} << 16;
  // VLAN 0 only says a priority (802.1Q, table 9-2).
  const auto given = static_cast<uint16_t>(tag & kVlanMask);
  const uint16_t vlan = given == 0 ? vlans.untagged : given;
  if (vlan == 0 || vlan > kMaxVlan || !(given == 0 || vlans.tags(vlan))) {
    return 0;
  }
  burst.tags[i] = (tag & ~uint32_t{kVlanMask}) | vlan;
  burst.tagged[i] = tagged;
  if (tagged && given == 0) {
    store_be32(header + kTypeAt, burst.tags[i]);
  }
  return vlan;
}

// Between the addresses and what follows them.
void put_on(Burst& burst, uint16_t i, std::span<std::byte> room) {
  Frame& frame = burst.frames[i];
  std::byte* header = burst.headers[i].data();
  const uint32_t before = frame.length;
  std::array<std::byte, kHeaderBytes + kTagBytes> bytes;
  copy_fixed<kHeaderBytes>(bytes.data() + kTagBytes, header);
  std::memcpy(bytes.data(), header, kTypeAt);
  store_be32(bytes.data() + kTypeAt, burst.tags[i]);
  copy_fixed<kHeaderBytes>(header, bytes.data());
  frame.length += kTagBytes;
  if (before < kHeaderBytes) {
    // All of it was in the snapshot, and now a few bytes are behind: they get a place of their own.
    std::memcpy(room.data(), bytes.data(), bytes.size());
    frame.data = room.data();
    frame.first_length = frame.length;
    frame.segments = 0;
  } else {
    frame.data -= kTagBytes;  // nobody reads there: the first bytes come from the snapshot
    frame.first_length += kTagBytes;
  }
}

void take_off(Burst& burst, uint16_t i) {
  Frame& frame = burst.frames[i];
  std::byte* header = burst.headers[i].data();
  std::array<std::byte, kHeaderBytes + kTagBytes> bytes{};
  copy_fixed<kHeaderBytes>(bytes.data(), header);
  if (frame.first_length >= kHeaderBytes + kTagBytes) [[likely]] {
    std::memcpy(bytes.data() + kHeaderBytes, frame.data + kHeaderBytes, kTagBytes);
  } else if (frame.length > kHeaderBytes) {
    std::byte* to = bytes.data() + kHeaderBytes;
    each_piece(burst, frame, kHeaderBytes, kTagBytes, [&](const std::byte* data, uint32_t length) {
      std::memcpy(to, data, length);
      to += length;
    });
  }
  std::memcpy(header + kTypeAt, bytes.data() + kTypeAt + kTagBytes, kHeaderBytes - kTypeAt);
  frame.length -= kTagBytes;
  skip_front(burst, frame, kTagBytes);
}

}  // namespace

void sort_by_vlan(Burst& burst, const Vlans& vlans, PortCounters& in) {
  std::array<Run, kBurst> before;
  const uint16_t before_count = burst.run_count;
  std::copy_n(burst.runs.begin(), before_count, before.begin());
  uint16_t runs = 0;
  for (const Run& run : std::span(before).first(before_count)) {
    uint16_t last = 0;  // VLAN of the frame before, if it is in this run
    for (uint16_t i = run.first; i < run.first + run.count; ++i) {
      const bool under_way = burst.fate[i] == kUnderWay;
      const uint16_t vlan = under_way ? find_vlan(burst, i, vlans) : uint16_t{0};
      if (vlan == 0) {
        if (under_way) {
          drop(burst, i, Drop::kVlan, in);
        }
      } else if (vlan == last) {
        ++burst.runs[runs - 1].count;
      } else {
        burst.runs[runs++] = {.destination = with_vlan(run.destination, vlan),
                              .source = with_vlan(run.source, vlan),
                              .destination_hash = 0,
                              .source_hash = 0,
                              .first = i,
                              .count = 1};
      }
      last = vlan;
    }
  }
  burst.run_count = runs;
  burst.thinned = false;
  burst.has_vlans = true;
}

std::span<const uint8_t> retag(Burst& burst, std::span<const uint8_t> which, const Vlans& vlans,
                               PortCounters& out, PrivateRoom& room,
                               std::array<uint8_t, kBurst>& kept) {
  size_t count = 0;
  uint32_t longest = 0;
  for (const uint8_t i : which) {
    const auto vlan = static_cast<uint16_t>(burst.has_vlans ? burst.tags[i] & kVlanMask : 0);
    if (vlan == 0 || !vlans.carries(vlan)) [[unlikely]] {
      drop(burst, i, Drop::kNotMember, out);
      continue;
    }
    if (burst.tagged[i] && vlan == vlans.untagged) {
      take_off(burst, i);
    } else if (!burst.tagged[i] && vlan != vlans.untagged) {
      put_on(burst, i, room[i]);
    }
    burst.tagged[i] = vlan != vlans.untagged;
    longest = std::max(longest, burst.frames[i].length);
    kept[count++] = i;
  }
  burst.longest = std::max(burst.longest, longest);
  return {kept.data(), count};
}

}  // namespace memswitch
