#include "tables/neighbor_table.h"

#include <sys/random.h>

#include <cstring>

namespace memswitch {

namespace {

constexpr int kVlanShift = 48;
constexpr uint64_t kRouter = uint64_t{1} << 60;

uint16_t vlan_at(uint64_t place) {
  return place >> kVlanShift & 0xfff;
}

}  // namespace

NeighborTable::NeighborTable() : buckets_(std::make_unique<Bucket[]>(kBuckets)) {
  while (::getrandom(secret_.data(), sizeof secret_, 0) != sizeof secret_) {
  }
}

NeighborTable::Key NeighborTable::key_of(const IpAddress& address, uint16_t vlan) {
  Key key{.address = {}, .vlan = vlan};
  std::memcpy(key.address.data(), address.bytes.data(), sizeof key.address);
  return key;
}

// Keyed, so that nobody can choose addresses that push out one another.
size_t NeighborTable::bucket_of(const Key& key) const {
  const unsigned __int128 mixed =
      static_cast<unsigned __int128>(key.address[0] ^ secret_[0]) * (secret_[1] | 1) +
      static_cast<unsigned __int128>(key.address[1] ^ secret_[2] ^ key.vlan) * (secret_[3] | 1);
  const uint64_t folded = static_cast<uint64_t>(mixed) ^ static_cast<uint64_t>(mixed >> 64);
  return (folded ^ folded >> 32) % kBuckets;
}

bool NeighborTable::holds(const Slot& slot, const Key& key) {
  return slot.address[0].load(std::memory_order_acquire) == key.address[0] &&
         slot.address[1].load(std::memory_order_acquire) == key.address[1] &&
         vlan_at(slot.place.load(std::memory_order_acquire)) == key.vlan;
}

void NeighborTable::put(const IpAddress& address, uint16_t vlan, const Entry& entry) {
  const Key key = key_of(address, vlan);
  Bucket& bucket = buckets_[bucket_of(key)];
  // Its own slot, or else the one that has been silent for longest; a free one is silent since ever.
  Slot* slot = nullptr;
  uint32_t longest = 0;
  for (Slot& candidate : bucket.slots) {
    if (holds(candidate, key)) {
      slot = &candidate;
      break;
    }
    const auto silent =
        static_cast<uint16_t>(entry.seen - candidate.seen.load(std::memory_order_relaxed));
    const uint32_t age =
        candidate.place.load(std::memory_order_relaxed) == 0 ? UINT32_MAX : silent + 1U;
    if (age > longest) {
      slot = &candidate;
      longest = age;
    }
  }
  uint32_t version = slot->version.load(std::memory_order_relaxed);
  if ((version & 1) != 0 ||
      !slot->version.compare_exchange_strong(version, version + 1, std::memory_order_acquire)) {
    return;
  }
  // Each a release: none is seen before the odd version. (A fence would do as well, but the thread sanitizer knows none.)
  slot->address[0].store(key.address[0], std::memory_order_release);
  slot->address[1].store(key.address[1], std::memory_order_release);
  slot->place.store(entry.mac | uint64_t{vlan} << kVlanShift | (entry.router ? kRouter : 0),
                    std::memory_order_release);
  slot->seen.store(entry.seen, std::memory_order_release);
  slot->version.store(version + 2, std::memory_order_release);
}

std::optional<NeighborTable::Entry> NeighborTable::find(const IpAddress& address,
                                                        uint16_t vlan) const {
  const Key key = key_of(address, vlan);
  for (const Slot& slot : buckets_[bucket_of(key)].slots) {
    const uint32_t version = slot.version.load(std::memory_order_acquire);
    if ((version & 1) != 0 || !holds(slot, key)) {
      continue;
    }
    const uint64_t place = slot.place.load(std::memory_order_acquire);
    const auto seen = static_cast<MacTable::Age>(slot.seen.load(std::memory_order_acquire));
    if (place != 0 && slot.version.load(std::memory_order_relaxed) == version) {
      return Entry{place & kMacMask, (place & kRouter) != 0, seen};
    }
  }
  return std::nullopt;
}

}  // namespace memswitch
