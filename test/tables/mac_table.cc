// The address table by itself.
#include "tables/mac_table.h"

#include <thread>
#include <vector>

#include "test/native/expect.h"

using namespace memswitch;

namespace {

Mac address(uint32_t n) {
  return 0x02 | uint64_t{n} << 16;
}

MacTable::Learned learn(MacTable& table, uint32_t n, PortId port, Quota& quota, uint16_t now = 0) {
  return table.learn(address(n), table.hash(address(n)), port, quota, now).result;
}

PortId find(const MacTable& table, uint32_t n) {
  return table.find(address(n), table.hash(address(n)));
}

}  // namespace

TEST("a million addresses are all found, moved, aged and gone") {
  constexpr uint32_t kMany = 1'000'000;
  MacTable table(kMany);
  Quota quota(kMany);
  for (uint32_t n = 0; n < kMany; ++n) {
    learn(table, n, 7, quota, 1);
  }
  EXPECT_EQ(table.size(), kMany);
  uint32_t found = 0;
  for (uint32_t n = 0; n < kMany; ++n) {
    found += find(table, n) == 7 ? 1 : 0;
  }
  EXPECT_EQ(found, kMany);
  EXPECT_EQ(find(table, kMany), kNoPort);
  Quota other(kMany);
  EXPECT(learn(table, 5, 8, other, 2) == MacTable::Learned::kMoved);
  EXPECT_EQ(find(table, 5), 8);
  uint32_t gone = 0;
  table.sweep(
      0, table.buckets(), [](const MacTable::Entry& entry) { return entry.seen == 1; },
      [&](const MacTable::Entry&) { ++gone; });
  EXPECT_EQ(gone, kMany - 1);
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(find(table, 5), 8);
}

TEST("a table that is full learns nothing more, and again when there is room") {
  MacTable table(3);
  Quota quota(100);
  for (uint32_t n = 0; n < 3; ++n) {
    EXPECT(learn(table, n, 1, quota) == MacTable::Learned::kAdded);
  }
  EXPECT(learn(table, 3, 1, quota) == MacTable::Learned::kTableFull);
  EXPECT_EQ(quota.used(), 3);
  MacTable::Entry was;
  EXPECT(table.remove(address(0), was));
  quota.give_back();
  EXPECT(learn(table, 3, 1, quota) == MacTable::Learned::kAdded);
  EXPECT(!table.remove(address(0), was));
}

TEST("a port's quota also stands against moves to it") {
  MacTable table(100);
  Quota large(100);
  Quota small(1);
  EXPECT(learn(table, 1, 1, large) == MacTable::Learned::kAdded);
  EXPECT(learn(table, 2, 2, small) == MacTable::Learned::kAdded);
  EXPECT(learn(table, 1, 2, small) == MacTable::Learned::kPortFull);
  EXPECT_EQ(find(table, 1), 1);
}

TEST("static entries: made of nothing and of learned ones, found, not moved") {
  MacTable table(100);
  Quota quota(100);
  MacTable::Entry was;
  EXPECT(learn(table, 1, 1, quota) == MacTable::Learned::kAdded);
  EXPECT(table.set_static(address(1), 5, was));
  EXPECT_EQ(was.port, 1);
  EXPECT(table.set_static(address(2), 6, was));
  EXPECT_EQ(was.port, kNoPort);
  EXPECT(learn(table, 1, 1, quota) == MacTable::Learned::kStatic);
  EXPECT_EQ(find(table, 1), 5);
  EXPECT_EQ(find(table, 2), 6);
  EXPECT_EQ(table.size(), 2);
}

TEST("many threads together keep the limit, and agree") {
  constexpr uint32_t kLimit = 20'000;
  MacTable table(kLimit);
  Quota quota(kLimit * 4);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t n = 0; n < kLimit; ++n) {
        learn(table, (n * 7 + t * 9001) % (2 * kLimit), static_cast<PortId>(1 + t), quota,
              static_cast<uint16_t>(n));
      }
    });
  }
  std::thread sweeper([&] {
    for (int i = 0; i < 20; ++i) {
      table.sweep(
          0, table.buckets(), [](const MacTable::Entry& entry) { return entry.seen % 16 == 0; },
          [](const MacTable::Entry&) {});
    }
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  sweeper.join();
  uint32_t entries = 0;
  table.each([&](const MacTable::Entry&) { ++entries; });
  EXPECT(entries <= kLimit);
  EXPECT_EQ(table.size(), entries);
}

TEST("an address in each VLAN is an entry of its own, wherever it lies") {
  MacTable table(60'000, true);
  Quota quota(kMaxMacs);
  constexpr uint32_t kAddresses = 12;
  const auto address = [](uint32_t n, uint16_t vlan) {
    return with_vlan(0x02 | uint64_t{n} << 40, vlan);
  };
  const auto port = [](uint32_t n, uint32_t vlan) {
    return static_cast<PortId>(1 + (n * 7919 + vlan) % (kMaxPorts - 1));
  };
  const auto each = [&](auto visit) {
    for (uint32_t n = 0; n < kAddresses; ++n) {
      for (uint16_t vlan = 1; vlan <= kMaxVlan; ++vlan) {
        visit(address(n, vlan), port(n, vlan));
      }
    }
  };
  uint32_t refused = 0;  // both buckets were full, and no other could go
  each([&](Mac mac, PortId at) {
    const auto learned = table.learn(mac, table.hash_in_vlan(mac), at, quota, 1).result;
    refused += learned == MacTable::Learned::kAdded ? 0 : 1;
  });
  EXPECT(refused < 20);
  EXPECT_EQ(table.size(), kAddresses * kMaxVlan - refused);
  uint32_t found = 0;
  each([&](Mac mac, PortId at) {
    const PortId known = table.find(mac, table.hash_in_vlan(mac));
    EXPECT(known == at || known == kNoPort);
    found += known == at ? 1 : 0;
  });
  EXPECT_EQ(found, table.size());
  uint32_t seen = 0;
  table.each([&](const MacTable::Entry& entry) {
    const auto n = static_cast<uint32_t>((entry.mac & kMacMask) >> 40);
    EXPECT(vlan_of(entry.mac) >= 1 && vlan_of(entry.mac) <= kMaxVlan);
    EXPECT_EQ(entry.port, port(n, vlan_of(entry.mac)));
    ++seen;
  });
  EXPECT_EQ(seen, table.size());
  // Every second VLAN goes; the others stay where they are found.
  table.sweep(
      0, table.buckets(), [](const auto& entry) { return vlan_of(entry.mac) % 2 == 0; },
      [](const auto&) {});
  each([&](Mac mac, PortId at) {
    const PortId known = table.find(mac, table.hash_in_vlan(mac));
    EXPECT(known == kNoPort || (known == at && vlan_of(mac) % 2 == 1));
  });
  MacTable::Entry was;
  each([&](Mac mac, PortId) { static_cast<void>(table.remove(mac, was)); });
  EXPECT_EQ(table.size(), 0);
}
