// A burst of frames as a worker sees it between receive and release. Frames stay where their sender put them;
// only their first bytes are private (headers), and only those are ever parsed: a peer can change its memory at
// any time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/drops.h"

namespace memswitch {

inline constexpr uint16_t kBurst = 64;

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
};

static_assert(sizeof(Frame) == 32);

// An Ethernet address as the low 48 bits of the eight bytes at its place (first byte lowest).
using Mac = uint64_t;

inline constexpr Mac kMacMask = 0xffff'ffff'ffff;

constexpr bool is_group(Mac mac) {
  return (mac & 1) != 0;
}

struct Burst {
  uint16_t count = 0;           // frames
  uint16_t slots = 0;           // what release() gives back: descriptors of a ring
  uint16_t segments = 0;        // used of `pieces`
  uint32_t longest = 0;         // bytes of the longest frame; classify()
  std::optional<Drop> refused;  // by the queue itself, all frames of the burst: only to be counted
  std::array<Frame, kBurst> frames;
  std::array<Segment, kBurstPieces> pieces;

  // Filled on the way, stage by stage, for each frame.
  alignas(64) std::array<std::array<std::byte, kHeaderBytes>, kBurst> headers;  // snapshot()
  alignas(64) std::array<Mac, kBurst> destination;                              // classify()
  alignas(64) std::array<Mac, kBurst> source;                                   // classify()
  alignas(64) std::array<bool, kBurst> dropped;                                 // classify()
  alignas(64) std::array<uint64_t, kBurst> destination_hash;                    // hash()
  alignas(64) std::array<uint64_t, kBurst> source_hash;                         // hash()
};

}  // namespace memswitch
