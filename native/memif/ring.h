// One ring in a peer's memory, and the four things a switch does with it. Everything in that memory is the
// peer's to change at any moment: an index or a descriptor is copied once into a local, checked, then used; our own
// position is private and never read back.
//
// Both roles do the same with different words. The side that made the memory, the client, owns `head`; the server
// owns `tail`. What is ours in a ring, and what we publish, is in each role:
//
//   server   receive   head - position          tail = position
//            transmit  head - position          tail = position
//   client   receive   tail - position          head = position + size (the buffers are the server's again)
//            transmit  tail + size - position   head = position
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/frame.h"
#include "memif/doorbell.h"
#include "memif/fault.h"
#include "memif/wire.h"

namespace memswitch::memif {

struct RegionView {
  std::byte* base;
  uint64_t size;
};

// The regions of a connection, looked at for every descriptor.
struct RegionTable {
  const RegionView* views;
  uint32_t count;
};

struct Ring {
  Descriptor* slots;
  uint16_t* peer_index;
  uint16_t* own_index;
  uint16_t* flags;
  uint16_t size;
  uint16_t mask;
  uint16_t peer_bias;  // what is ours: peer_index + peer_bias - position
  uint16_t own_bias;   // what we publish: position + own_bias
  uint16_t position;   // our next slot, free-running
  int doorbell;        // the eventfd that comes with the ring
  // A client's buffers by slot, in private memory: what it lends it needs not read back. Null for a server.
  const Descriptor* lent;
};

// What lies at `base`, by the cache line of whoever built it.
struct RingMemory {
  RingHeader* header;
  uint16_t* tail;
  Descriptor* slots;
};

inline RingMemory ring_at(std::byte* base, uint8_t cache_line) {
  return {.header = reinterpret_cast<RingHeader*>(base),
          .tail = reinterpret_cast<uint16_t*>(base + cache_line),
          .slots = reinterpret_cast<Descriptor*>(base + size_t{2} * cache_line)};
}

inline uint16_t load_acquire(const uint16_t* shared) {
  return std::atomic_ref<const uint16_t>(*shared).load(std::memory_order_acquire);
}

inline void store_release(uint16_t* shared, uint16_t value) {
  std::atomic_ref<uint16_t>(*shared).store(value, std::memory_order_release);
}

// A private copy: two atomic loads, so that no field is ever read twice, however the compiler would like to.
inline Descriptor load_once(const Descriptor* shared) {
  const auto* halves = reinterpret_cast<const uint64_t*>(shared);
  const uint64_t low = std::atomic_ref(halves[0]).load(std::memory_order_relaxed);
  const uint64_t high = std::atomic_ref(halves[1]).load(std::memory_order_relaxed);
  return {.flags = static_cast<uint16_t>(low),
          .region = static_cast<uint16_t>(low >> 16),
          .length = static_cast<uint32_t>(low >> 32),
          .offset = static_cast<uint32_t>(high),
          .metadata = 0};
}

// Only what a reader uses: the metadata is nobody's.
inline void store(Descriptor* shared, const Descriptor& d) {
  auto* halves = reinterpret_cast<uint64_t*>(shared);
  const uint64_t low = uint64_t{d.length} << 32 | uint32_t{d.region} << 16 | d.flags;
  std::atomic_ref<uint64_t>(halves[0]).store(low, std::memory_order_relaxed);
  std::atomic_ref<uint64_t>(halves[1]).store(d.offset, std::memory_order_relaxed);
}

inline Fault check(const Descriptor& d, const RegionTable& regions) {
  if (d.region >= regions.count) [[unlikely]] {
    return Fault::kBadRegion;
  }
  if (uint64_t{d.offset} + d.length > regions.views[d.region].size) [[unlikely]] {
    return Fault::kOutsideRegion;
  }
  return Fault::kNone;
}

inline void publish(Ring& ring, uint16_t slots) {
  ring.position = static_cast<uint16_t>(ring.position + slots);
  store_release(ring.own_index, static_cast<uint16_t>(ring.position + ring.own_bias));
}

// Slots that are ours now; more than the ring has is a fault.
inline uint16_t available(const Ring& ring) {
  return static_cast<uint16_t>(load_acquire(ring.peer_index) + ring.peer_bias - ring.position);
}

// Fills the burst with views of what waits in the ring; nothing is consumed until release(). Stops at a fault:
// the frames before it are good.
Fault receive(const Ring& ring, const RegionTable& regions, Burst& burst);

// Gives slots back to the peer; a client makes the buffers in them whole again first.
void release(Ring& ring, uint16_t slots);

// The frames `index[0, count)` of the burst, copied into the peer's buffers. Says how far it came.
struct Transmitted {
  uint16_t frames = 0;   // sent
  uint64_t bytes = 0;    // of those sent
  uint16_t no_room = 0;  // too long for the ring as a whole; passed over
  uint16_t done = 0;     // of `count`; the rest found the ring full
  Fault fault = Fault::kNone;
};

Transmitted transmit(Ring& ring, const RegionTable& regions, Burst& burst, const uint8_t* index,
                     uint16_t count);

// Whether the peer asked to be woken for this ring.
inline bool wants_doorbell(const Ring& ring) {
  return (load_acquire(ring.flags) & kRingMaskInterrupt) == 0;
}

inline void ring_doorbell(const Ring& ring) {
  ring_doorbell(ring.doorbell);
}

}  // namespace memswitch::memif
