// A burst of frames as a worker sees it between receive and release. Frames stay where their sender put them;
// only their first bytes are private (headers), and only those are ever parsed: a peer can change its memory at
// any time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "dataplane/drops.h"

namespace memswitch {

// Measured between two cores, 64-byte frames, against 64: 1.17 times as many frames a second with 128, 1.3 with 256. Each
// burst costs a round of the lines that hold the rings' indexes; half of its arrays still fit into the first-level cache.
inline constexpr uint16_t kBurst = 256;

// The snapshot of a frame's beginning: one cache line. Ethernet and two VLAN tags need 22 bytes.
inline constexpr uint32_t kHeaderBytes = 64;

inline constexpr uint32_t kMinFrame =
    14;  // an Ethernet header; padding to 60 is the wire's business
inline constexpr uint32_t kMaxFrame = 65535;  // the most that any port carries

// What a frame may have beyond its port's MTU: an Ethernet header and a VLAN tag, as Linux bridges allow
// (is_skb_forwardable()).
inline constexpr uint32_t kMtuAllowance = 18;
inline constexpr uint32_t kMinMtu = 68;  // RFC 791: every host takes 68 bytes
inline constexpr uint32_t kMaxMtu = kMaxFrame - kMtuAllowance;

// A frame may lie in several pieces of its sender's memory.
inline constexpr uint16_t kMaxSegments = 256;
inline constexpr uint16_t kBurstSegments = 512;
inline constexpr uint16_t kBurstPieces = kBurstSegments + kBurst;  // with a header for each frame

struct Segment {
  const std::byte* data;
  uint32_t length;
};

struct Frame {
  const std::byte* data;  // the first piece
  void* buffer;     // the receiving port's own handle (a device's mbuf); null: nothing to hand over
  uint32_t length;  // all pieces
  uint32_t first_length;  // the first piece
  uint16_t segment;       // further pieces: Burst::segments[segment, segment + segments)
  uint16_t segments;
  bool shared = false;   // goes to several ports: none may take its buffer
  bool checked = false;  // the device it came from found its IP and UDP checksums right
  // Of a datagram whose UDP checksum is still that of its pseudo header alone: where its IP header is. The device is to
  // finish it (Port::finishes_checksums). 0: it is complete.
  uint8_t unfinished = 0;
  uint8_t unused = 0;  // named, so that the compiler writes the last eight bytes as one

  static Frame whole(const std::byte* data, uint32_t length) {
    return {.data = data,
            .buffer = nullptr,
            .length = length,
            .first_length = length,
            .segment = 0,
            .segments = 0};
  }
};

static_assert(sizeof(Frame) == 32 && offsetof(Frame, length) == 16);

// An Ethernet address as the low 48 bits of the eight bytes at its place (first byte lowest). In a bridge of VLANs its VLAN
// stands above it: the same address in two VLANs is two (IEEE 802.1Q calls that independent learning).
using Mac = uint64_t;

inline constexpr Mac kMacMask = 0xffff'ffff'ffff;

inline constexpr uint16_t kVlans = 4096;
inline constexpr uint16_t kMaxVlan = 4094;  // 0: none; 4095 is reserved (802.1Q, table 9-2)

// Outside the data path an address is a number as it is read: its first byte is the highest, where a Mac's is the lowest.
constexpr uint64_t mac_number(Mac mac) {
  return __builtin_bswap64(mac) >> 16;
}
constexpr Mac mac_of_number(uint64_t number) {
  return __builtin_bswap64(number << 16);
}

constexpr Mac with_vlan(Mac mac, uint16_t vlan) {
  return mac | Mac{vlan} << 48;
}
constexpr uint16_t vlan_of(Mac mac) {
  return static_cast<uint16_t>(mac >> 48);
}

constexpr bool is_group(Mac mac) {
  return (mac & 1) != 0;
}

// The Ethernet address at `at`, of which two bytes more can be read.
inline Mac load_mac(const std::byte* at) {
  Mac mac;
  std::memcpy(&mac, at, sizeof mac);
  return mac & kMacMask;
}

// Neighbours of a burst that come from one address and go to one: what concerns addresses is done once for all of them.
struct Run {
  Mac destination;
  Mac source;
  uint64_t destination_hash;  // hash()
  uint64_t source_hash;       // hash()
  uint16_t first;             // frame
  uint16_t count;
};

struct Burst {
  uint16_t count = 0;           // frames
  uint16_t slots = 0;           // what release() gives back: descriptors of a ring
  uint16_t lane = 0;            // of the queue it came in by
  uint16_t segments = 0;        // used of `pieces`
  uint32_t longest = 0;         // bytes of the longest frame; classify()
  std::optional<Drop> refused;  // by the queue itself, all frames of the burst: only to be counted
  alignas(32) std::array<Frame, kBurst> frames;
  std::array<Segment, kBurstPieces> pieces;

  // Filled on the way, stage by stage.
  alignas(64) std::array<std::array<std::byte, kHeaderBytes>, kBurst> headers;  // snapshot()
  alignas(64) std::array<Fate, kBurst> fate;  // drop(); only who is under way is in a run
  std::array<Run, kBurst> runs;               // classify()
  uint16_t run_count = 0;
  bool thinned = false;  // frames were dropped that are still in a run: thin() is due

  // Of a port of VLANs only; sort_by_vlan().
  bool has_vlans = false;  // the two below are filled
  std::array<uint32_t, kBurst>
      tags;                         // type, priority and VLAN that a frame has, or gets, in its tag
  std::array<bool, kBurst> tagged;  // it has it now

  [[nodiscard]] Mac destination(uint16_t frame) const { return load_mac(headers[frame].data()); }
  [[nodiscard]] Mac source(uint16_t frame) const { return load_mac(headers[frame].data() + 6); }

  [[nodiscard]] std::span<Run> all_runs() { return {runs.data(), run_count}; }
  [[nodiscard]] std::span<const Run> all_runs() const { return {runs.data(), run_count}; }
};

}  // namespace memswitch
