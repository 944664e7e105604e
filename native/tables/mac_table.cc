#include "tables/mac_table.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace memswitch {

namespace {

uint64_t random_word() {
  uint64_t value = 0;
  while (::getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}

}  // namespace

MacTable::MacTable(uint32_t limit, bool vlans)
    : mask_(std::bit_ceil(std::max<uint64_t>(limit / 3, vlans ? kVlans : 8)) - 1),
      vlans_(vlans),
      key_{random_word(), random_word() | 1},
      quota_(limit) {
  const size_t bytes = (mask_ + 1) * sizeof(Bucket);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::abort();  // no address space left: what a failed new does here as well
  }
  // Random look-ups in a million addresses miss the TLB as often as the cache; huge pages spare that half.
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  // Now and here, or each new address would fault on the poll thread: 6 ms for each huge page were measured.
  ::madvise(memory, bytes, MADV_POPULATE_WRITE);
  // Fresh anonymous pages are zero, and zero is an empty bucket: nothing is left to construct.
  buckets_ = static_cast<Bucket*>(memory);
}

MacTable::~MacTable() {
  ::munmap(buckets_, (mask_ + 1) * sizeof(Bucket));
}

size_t MacTable::free_way(const Bucket& bucket) {
  for (size_t w = 0; w < kWays; ++w) {
    if (bucket.entries[w].load(std::memory_order_relaxed) == 0) {
      return w;
    }
  }
  return kWays;
}

// The caller holds the first bucket, has taken a place in the quota, and has found the address in neither bucket.
bool MacTable::insert(uint64_t hash, uint64_t entry, Age seen) {
  Bucket& near = first(hash);
  size_t w = free_way(near);
  if (w < kWays) {
    near.seen[w].store(seen, std::memory_order_relaxed);
    near.entries[w].store(entry, std::memory_order_release);
    return true;
  }
  Bucket& far = second(hash);
  Lock lock(far);
  if (&far == &near || !lock.try_take()) {
    return false;
  }
  w = free_way(far);
  if (w == kWays) {
    w = make_room(near);
    if (w < kWays) {
      near.seen[w].store(seen, std::memory_order_relaxed);
      near.entries[w].store(entry, std::memory_order_release);
    }
    return w < kWays;
  }
  near.sent_away.fetch_add(1, std::memory_order_relaxed);
  far.seen[w].store(seen, std::memory_order_relaxed);
  far.entries[w].store(entry | kAwayBit, std::memory_order_release);
  return true;
}

// Sends an address of a full bucket, which the caller holds, to its second one; returns the way that is free then. It
// stands in both for a moment, so that nobody misses it.
size_t MacTable::make_room(Bucket& bucket) {
  for (size_t w = 0; w < kWays; ++w) {
    const uint64_t entry = bucket.entries[w].load(std::memory_order_relaxed);
    Bucket& far = second(hash_of(bucket, entry));
    if ((entry & kAwayBit) != 0 || &far == &bucket) {
      continue;
    }
    Lock lock(far);
    const size_t to = lock.try_take() ? free_way(far) : kWays;
    if (to < kWays) {
      far.seen[to].store(bucket.seen[w].load(std::memory_order_relaxed), std::memory_order_relaxed);
      far.entries[to].store(entry | kAwayBit, std::memory_order_release);
      bucket.sent_away.fetch_add(1, std::memory_order_release);
      bucket.entries[w].store(0, std::memory_order_release);
      return w;
    }
  }
  return kWays;
}

void MacTable::erase(Bucket& bucket, size_t way) {
  const uint64_t entry = bucket.entries[way].load(std::memory_order_relaxed);
  bucket.entries[way].store(0, std::memory_order_relaxed);
  if ((entry & kAwayBit) != 0) {
    first(hash_of(bucket, entry)).sent_away.fetch_sub(1, std::memory_order_relaxed);
  }
  quota_.give_back();
}

MacTable::Learn MacTable::learn(Mac mac, uint64_t hash, PortId port, Quota& quota, Age now) {
  const Place at = place(mac, hash);
  if (at.way < kWays) [[likely]] {
    std::atomic<Age>& seen = at.bucket->seen[at.way];
    const uint64_t entry = at.bucket->entries[at.way].load(std::memory_order_relaxed);
    if (entry != (at.wanted | port)) [[unlikely]] {
      return move(at, entry, port, quota, now);
    }
    // Written once a second at most: a line that every frame dirtied would travel between workers.
    if (seen.load(std::memory_order_relaxed) != now) {
      seen.store(now, std::memory_order_relaxed);
    }
    return {Learned::kKnown, port};
  }
  if (!quota.take()) {
    return {Learned::kPortFull, kNoPort};
  }
  if (!quota_.take()) {
    quota.give_back();
    return {Learned::kTableFull, kNoPort};
  }
  Lock lock(first(hash));
  if (!lock.try_take() || place(mac, hash).way < kWays || !insert(hash, word(mac, port), now)) {
    quota_.give_back();
    quota.give_back();
    return {Learned::kBusy, kNoPort};
  }
  return {Learned::kAdded, kNoPort};
}

// The address is known with another port, or as a static one, which stays where it is.
MacTable::Learn MacTable::move(Place at, uint64_t was, PortId port, Quota& quota, Age now) {
  if ((was & kStaticBit) != 0) {
    return {Learned::kStatic, port_of(was)};
  }
  if (!quota.take()) {
    return {Learned::kPortFull, kNoPort};
  }
  std::atomic<uint64_t>& entry = at.bucket->entries[at.way];
  Lock lock(*at.bucket);
  if (!lock.try_take() || entry.load(std::memory_order_relaxed) != was || !same(was, at.wanted)) {
    quota.give_back();
    return {Learned::kBusy, kNoPort};
  }
  at.bucket->seen[at.way].store(now, std::memory_order_relaxed);
  entry.store(at.wanted | port, std::memory_order_relaxed);
  return {Learned::kMoved, port_of(was)};
}

bool MacTable::set_static(Mac mac, PortId port, Entry& was) {
  was = {};
  const uint64_t h = hash_in_vlan(mac);
  Lock lock(first(h));  // from here on no poll thread adds the address
  lock.take();
  const Place at = place(mac, h);
  if (at.way < kWays) {
    Lock far(*at.bucket);
    if (at.bucket != &first(h)) {
      far.take();
    }
    if (const Entry entry = entry_of(*at.bucket, at.way); entry.mac == mac) {
      was = entry;
      at.bucket->entries[at.way].store(at.wanted | kStaticBit | port, std::memory_order_relaxed);
      return true;
    }
  }
  if (!quota_.take()) {
    return false;
  }
  if (!insert(h, word(mac, port) | kStaticBit, 0)) {
    quota_.give_back();
    return false;
  }
  return true;
}

bool MacTable::remove(Mac mac, Entry& was) {
  const Place at = place(mac, hash_in_vlan(mac));
  if (at.way == kWays) {
    return false;
  }
  Lock lock(*at.bucket);
  lock.take();
  was = entry_of(*at.bucket, at.way);
  if (was.mac != mac) {
    return false;
  }
  erase(*at.bucket, at.way);
  return true;
}

bool MacTable::look(Mac mac, Entry& entry) const {
  const Place at = place(mac, hash_in_vlan(mac));
  if (at.way == kWays) {
    return false;
  }
  entry = entry_of(*at.bucket, at.way);
  return entry.mac == mac;
}

}  // namespace memswitch
