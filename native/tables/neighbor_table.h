// Which Ethernet address an IP address has, as it was heard: what a tunnel answers from in place of stations far away. A
// cache of fixed size, in which what was heard last stays; nobody can make it grow.
//
// Any worker writes and reads at any time. An entry that somebody is writing is unknown for that moment, and not written
// by a second one: nobody waits.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "tables/mac_table.h"
#include "vxlan/ip_address.h"

namespace memswitch {

class NeighborTable {
 public:
  struct Entry {
    Mac mac;
    bool router;         // as IPv6 stations tell
    MacTable::Age seen;  // when it was heard last, in seconds
  };

  NeighborTable();

  // Poll threads.
  void put(const IpAddress& address, uint16_t vlan, const Entry& entry);
  [[nodiscard]] std::optional<Entry> find(const IpAddress& address, uint16_t vlan) const;

 private:
  static constexpr size_t kWays = 4;
  static constexpr size_t kBuckets = 2048;

  // Written between two steps of `version`, which is odd meanwhile.
  struct Slot {
    std::atomic<uint32_t> version{0};
    std::atomic<uint32_t> seen{0};
    std::array<std::atomic<uint64_t>, 2> address{};
    std::atomic<uint64_t> place{0};  // MAC 48, VLAN 12, router 1; 0: free
  };
  struct alignas(64) Bucket {
    std::array<Slot, kWays> slots;
  };
  struct Key {
    std::array<uint64_t, 2> address;
    uint16_t vlan;
  };

  [[nodiscard]] size_t bucket_of(const Key& key) const;
  static Key key_of(const IpAddress& address, uint16_t vlan);
  static bool holds(const Slot& slot, const Key& key);

  std::array<uint64_t, 4> secret_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace memswitch
