// Addresses of one bridge: which port each is behind, and when it was last seen.
//
// A bucket is one cache line: six addresses with their ports, six ages. An entry is one 64-bit word (address,
// static flag, port), so a reader on any thread sees a whole one without a lock, and a move is one store. An
// address lives in its first bucket or, when that was full, in its second; the first counts how many it has sent
// away, so that a miss rarely costs a second line. At the limit buckets are a third full, about one in a hundred is
// full, and of a million addresses some thirty find both of theirs so: then another makes room by going to its second.
//
// The hash is keyed with random numbers by multiplication: a container can't choose addresses that meet in one
// bucket. (A CRC could not promise that: its collisions do not depend on the seed.)
//
// A table of a bridge of VLANs holds an address once for each VLAN that it is seen in, and an entry has no room to say
// which. It need not: the VLAN moves an address's buckets by as many places as its number, so where an entry lies tells
// it, as long as it also tells whether that is its first bucket or its second, for which a bit is left beside the port.
//
// Threads: find() and touch() on poll threads, any number of them. Adding and removing take the bucket's flag; a
// poll thread that finds it taken learns at the next frame instead, it never waits.
#pragma once

#include <smmintrin.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "dataplane/frame.h"
#include "tables/limits.h"
#include "tables/quota.h"

namespace memswitch {

class MacTable {
 public:
  using Age = uint16_t;  // a clock of seconds, modulo 2^16

  struct Entry {
    Mac mac = 0;
    PortId port = kNoPort;
    bool is_static = false;
    Age seen = 0;
  };

  // Room for `limit` addresses, 1 to kMaxMacs; memory is taken as it is touched, 21 to 43 bytes an address. With VLANs
  // at least 256 KiB.
  explicit MacTable(uint32_t limit, bool vlans = false);
  ~MacTable();
  MacTable(const MacTable&) = delete;
  MacTable& operator=(const MacTable&) = delete;

  // The hash of an address: where it lives. Worth computing for a whole burst first.
  [[nodiscard]] uint64_t hash(Mac mac) const {
    const auto product = static_cast<unsigned __int128>(mac ^ key_[0]) * key_[1];
    const uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    // Once more: addresses that count up would else fall in step, and of a million a thousand found both buckets full.
    const uint64_t mixed = (folded ^ folded >> 32) * 0x9e37'79b9'7f4a'7c15;
    return mixed ^ mixed >> 29;
  }
  // The same of an address that has its VLAN above it, or may have.
  [[nodiscard]] uint64_t hash_in_vlan(Mac mac) const {
    return hash(mac & kMacMask) ^ spread(vlan_of(mac));
  }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[hash & mask_]); }

  [[nodiscard]] PortId find(Mac mac, uint64_t hash) const;

  enum class Learned : uint8_t { kKnown, kMoved, kAdded, kStatic, kTableFull, kPortFull, kBusy };
  struct Learn {
    Learned result;
    PortId from;  // kMoved: where it was; that port's quota is the caller's to give back
  };
  // Sees `mac`, which is not zero, on `port`: refreshes it, or moves or adds it within the port's quota.
  Learn learn(Mac mac, uint64_t hash, PortId port, Quota& quota, Age now);

  // Control threads. They may wait for a bucket for as long as a poll thread changes one entry.
  // `was` is the learned or static entry that stood there; its mac is 0 if there was none.
  bool set_static(Mac mac, PortId port, Entry& was);
  bool remove(Mac mac, Entry& was);
  [[nodiscard]] bool look(Mac mac, Entry& entry) const;
  // Walks `count` buckets from `first` (modulo their number), removes each entry for which `gone(entry)` and then
  // tells it to `removed(entry)`.
  template <typename Gone, typename Removed>
  void sweep(uint64_t first, uint64_t count, Gone gone, Removed removed);
  template <typename Visit>
  void each(Visit visit) const;
  [[nodiscard]] uint64_t buckets() const { return mask_ + 1; }
  [[nodiscard]] uint32_t size() const { return quota_.used(); }
  [[nodiscard]] uint32_t limit() const { return quota_.limit(); }

 private:
  static constexpr size_t kWays = 6;
  struct alignas(64) Bucket {
    std::array<std::atomic<uint64_t>, kWays> entries;  // 0: free
    std::array<std::atomic<Age>, kWays> seen;
    std::atomic<uint16_t> sent_away;  // addresses of this bucket that live in their second one
    std::atomic<uint8_t> taken;       // somebody changes the bucket
  };
  static_assert(sizeof(Bucket) == 64);
  class Lock;

  static constexpr uint64_t kAwayBit = 0x8000;    // it lies in its second bucket
  static constexpr uint64_t kStaticBit = 0x4000;  // ports are below it
  static_assert(kMaxPorts <= kStaticBit);
  // Without the VLAN, which falls off above.
  static constexpr uint64_t word(Mac mac, PortId port) { return mac << 16 | port; }
  static constexpr Mac mac_of(uint64_t word) { return word >> 16; }
  static constexpr PortId port_of(uint64_t word) { return word & (kStaticBit - 1); }
  // Equal but for the port and the static bit.
  static constexpr bool same(uint64_t word, uint64_t wanted) { return (word ^ wanted) < kAwayBit; }
  [[nodiscard]] Entry entry_of(const Bucket& bucket, size_t way) const;

  // Into the lowest bits of both buckets' numbers; see first() and second().
  static constexpr uint64_t spread(uint16_t vlan) { return uint64_t{vlan} | uint64_t{vlan} << 40; }
  static constexpr uint64_t turned(uint64_t hash) { return hash >> 40 | hash << 24; }
  // Of an entry that lies in this bucket, with its VLAN.
  [[nodiscard]] uint64_t hash_of(const Bucket& bucket, uint64_t word) const;
  [[nodiscard]] uint16_t vlan_in(const Bucket& bucket, uint64_t word, uint64_t hash) const;

  [[nodiscard]] Bucket& first(uint64_t hash) const { return buckets_[hash & mask_]; }
  [[nodiscard]] Bucket& second(uint64_t hash) const { return buckets_[turned(hash) & mask_]; }
  // The way of what is the same as `wanted` in a bucket, or kWays.
  static size_t way(const Bucket& bucket, uint64_t wanted);
  static size_t free_way(const Bucket& bucket);
  struct Place {
    Bucket* bucket;
    size_t way;
    uint64_t wanted;  // what its entry has besides port and static bit
  };
  [[nodiscard]] Place place(Mac mac, uint64_t hash) const;
  Learn move(Place at, uint64_t was, PortId port, Quota& quota, Age now);
  bool insert(uint64_t hash, uint64_t entry, Age seen);
  size_t make_room(Bucket& bucket);
  void erase(Bucket& bucket, size_t way);

  Bucket* buckets_;
  uint64_t mask_;
  const bool vlans_;
  std::array<uint64_t, 2> key_;
  alignas(64) Quota quota_;
};

// The bucket's flag, held for a scope.
class MacTable::Lock {
 public:
  explicit Lock(Bucket& bucket) : bucket_(bucket) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (held_) {
      bucket_.taken.store(0, std::memory_order_release);
    }
  }
  bool try_take() {
    held_ = bucket_.taken.exchange(1, std::memory_order_acquire) == 0;
    return held_;
  }
  void take() {
    while (!try_take()) {
      __builtin_ia32_pause();
    }
  }

 private:
  Bucket& bucket_;
  bool held_ = false;
};

// All six at once, without a branch: where in its bucket an address lies cannot be predicted. Each word is read whole,
// as an aligned vector load reads its halves (the thread sanitizer does not know that).
inline size_t MacTable::way(const Bucket& bucket, uint64_t wanted) {
#if defined(__SANITIZE_THREAD__)
  for (size_t w = 0; w < kWays; ++w) {
    if (same(bucket.entries[w].load(std::memory_order_relaxed), wanted)) {
      return w;
    }
  }
  return kWays;
#else
  const auto* pairs = reinterpret_cast<const __m128i*>(&bucket);
  const __m128i all = _mm_set1_epi64x(static_cast<long long>(wanted));
  unsigned found = 1U << kWays;
  for (unsigned p = 0; p < kWays / 2; ++p) {
    const __m128i differs = _mm_srli_epi64(_mm_xor_si128(_mm_load_si128(pairs + p), all), 15);
    const __m128i equal = _mm_cmpeq_epi64(differs, _mm_setzero_si128());
    found |= static_cast<unsigned>(_mm_movemask_pd(_mm_castsi128_pd(equal))) << (2 * p);
  }
  return static_cast<size_t>(__builtin_ctz(found));
#endif
}

inline uint16_t MacTable::vlan_in(const Bucket& bucket, uint64_t word, uint64_t hash) const {
  const auto number = static_cast<uint64_t>(&bucket - buckets_);
  const uint64_t without = (word & kAwayBit) != 0 ? turned(hash) : hash;
  return vlans_ ? static_cast<uint16_t>((number ^ without) & mask_ & (kVlans - 1)) : uint16_t{0};
}

inline uint64_t MacTable::hash_of(const Bucket& bucket, uint64_t word) const {
  const uint64_t without = hash(mac_of(word));
  return without ^ spread(vlan_in(bucket, word, without));
}

inline MacTable::Entry MacTable::entry_of(const Bucket& bucket, size_t way) const {
  const uint64_t entry = bucket.entries[way].load(std::memory_order_relaxed);
  const Age seen = bucket.seen[way].load(std::memory_order_relaxed);
  const uint16_t vlan = vlans_ ? vlan_in(bucket, entry, hash(mac_of(entry))) : uint16_t{0};
  return {with_vlan(mac_of(entry), vlan), port_of(entry), (entry & kStaticBit) != 0, seen};
}

inline MacTable::Place MacTable::place(Mac mac, uint64_t hash) const {
  const uint64_t wanted = word(mac, 0);
  Bucket& near = first(hash);
  const size_t w = way(near, wanted);
  if (w < kWays || near.sent_away.load(std::memory_order_relaxed) == 0) [[likely]] {
    return {&near, w, wanted};
  }
  Bucket& far = second(hash);
  return {&far, way(far, wanted | kAwayBit), wanted | kAwayBit};
}

inline PortId MacTable::find(Mac mac, uint64_t hash) const {
  const Place at = place(mac, hash);
  if (at.way == kWays) {
    return kNoPort;
  }
  // The entry may have gone or changed since place() saw it: then it is not this address any more.
  const uint64_t entry = at.bucket->entries[at.way].load(std::memory_order_relaxed);
  return same(entry, at.wanted) ? port_of(entry) : kNoPort;
}

template <typename Gone, typename Removed>
void MacTable::sweep(uint64_t first, uint64_t count, Gone gone, Removed removed) {
  for (uint64_t b = first; b < first + count; ++b) {
    Bucket& bucket = buckets_[b & mask_];
    for (size_t w = 0; w < kWays; ++w) {
      if (const Entry entry = entry_of(bucket, w); entry.port == kNoPort || !gone(entry)) {
        continue;
      }
      Lock lock(bucket);
      lock.take();
      if (const Entry entry = entry_of(bucket, w); entry.port != kNoPort && gone(entry)) {
        erase(bucket, w);
        removed(entry);
      }
    }
  }
}

template <typename Visit>
void MacTable::each(Visit visit) const {
  for (uint64_t b = 0; b <= mask_; ++b) {
    for (size_t w = 0; w < kWays; ++w) {
      if (const Entry entry = entry_of(buckets_[b], w); entry.port != kNoPort) {
        visit(entry);
      }
    }
  }
}

}  // namespace memswitch
