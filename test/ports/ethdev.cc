// Ports over devices: whose buffer leaves, what is copied, what is dropped.
#include "ports/ethdev.h"

#include "test/ports/ethdev_kit.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr size_t kRing = 1023;  // what a ring of net_ring takes

}  // namespace

TEST("from device to device the buffer changes hands") {
  Bench bench;
  RingDevice& in = bench.add();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  std::vector<rte_mbuf*> sent;
  constexpr uint8_t kFrames = 60;  // one burst
  for (uint8_t i = 0; i < kFrames; ++i) {
    sent.push_back(in.put(frame(2, 1, 60 + i, i)));
  }
  EXPECT_EQ(bench.poll(in), kFrames);
  EXPECT_EQ(in.used(), kFrames);
  EXPECT_EQ(out.used(), 0);
  for (uint8_t i = 0; i < kFrames; ++i) {
    rte_mbuf* got = out.take();
    EXPECT(got == sent[i]);
    EXPECT(bytes_of(got) == frame(2, 1, 60 + i, i));
    rte_pktmbuf_free(got);
  }
  EXPECT_EQ(in.used(), 0);
  bench.expect_balance();
}

TEST("so does one in several buffers, and its last piece is not forgotten") {
  Bench bench;
  RingDevice& in = bench.add({.mtu = 9000});
  RingDevice& out = bench.add({.mtu = 9000});
  bench.place(2, *out.port);
  rte_mbuf* sent = in.put_chained(frame(2, 1, 9000), 1021);
  bench.poll(in);
  rte_mbuf* got = out.take();
  EXPECT_EQ(in.used(), 9);
  EXPECT(got == sent && got->nb_segs == 9);
  EXPECT(bytes_of(got) == frame(2, 1, 9000));
  rte_pktmbuf_free(got);
  bench.expect_balance();
}

TEST("a device's word for a checksum is taken where it was asked to check, and not of a tunnel") {
  Bench bench;
  RingDevice& in = bench.add();
  uint16_t number = 0;
  EXPECT_EQ(rte_eth_dev_get_port_by_name(in.name.c_str(), &number), 0);
  struct {
    uint64_t flags;
    uint32_t type;
    bool checked;
  } const cases[] = {
      {RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_UDP, true},
      {RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0, true},
      {RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_PTYPE_L4_UDP, false},
      {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RTE_PTYPE_L4_UDP, false},
      {RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_PTYPE_L4_UDP,
       false},  // unfinished, and whole by its sender's word
      {RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_PTYPE_L4_UDP | RTE_PTYPE_TUNNEL_VXLAN, false},
  };
  auto burst = std::make_unique<Burst>();
  for (const bool asked : {true, false}) {
    EthdevRxPath path;
    path.device = number;
    path.checks = asked;
    EthdevRxQueue queue(*in.port, path);
    for (const auto& one : cases) {
      rte_mbuf* const buffer = in.put(frame(2, 1, 100));
      buffer->ol_flags = one.flags;
      buffer->packet_type = one.type;
      EXPECT(queue.receive(*burst));
      EXPECT_EQ(burst->frames[0].checked, asked && one.checked);
      queue.release(*burst);
    }
  }
}

TEST("a tag that the device took off is put back into the frame, where that is wanted") {
  Bench bench;
  RingDevice& in = bench.add();
  EthdevRxPath path;
  EXPECT_EQ(rte_eth_dev_get_port_by_name(in.name.c_str(), &path.device), 0);
  EthdevRxQueue queue(*in.port, path);
  auto burst = std::make_unique<Burst>();
  const Bytes bare = frame(2, 1, 100);
  Bytes tagged = bare;
  const std::array<uint8_t, 4> tag{0x81, 0x00, 0xa0, 0xc8};  // priority 5, VLAN 200
  tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
  for (const bool wanted : {true, false}) {
    queue.set_restores_tags(wanted);
    for (const bool stripped : {true, false}) {
      rte_mbuf* const buffer = in.put(bare);
      buffer->ol_flags = stripped ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0;
      buffer->vlan_tci = 0xa0c8;
      EXPECT(queue.receive(*burst));
      const Frame& got = burst->frames[0];
      const Bytes& expected = wanted && stripped ? tagged : bare;
      EXPECT_EQ(got.length, expected.size());
      EXPECT(std::memcmp(got.data, expected.data(), expected.size()) == 0);
      queue.release(*burst);
    }
  }
}

TEST("a queue whose device has no interrupts never sleeps, and loses nothing by the attempt") {
  Bench bench;
  RingDevice& in = bench.add();
  uint16_t number = 0;
  EXPECT_EQ(rte_eth_dev_get_port_by_name(in.name.c_str(), &number), 0);
  const UniqueFd doorbell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  EthdevRxPath path;
  path.device = number;
  path.wake = Wake::kInterrupt;
  path.fd = doorbell.get();
  EthdevRxQueue queue(*in.port, path);
  auto burst = std::make_unique<Burst>();
  // As net_ring. One that has them: test/sriov.
  in.put(frame(2, 1, 100, 1));
  EXPECT(queue.arm());
  in.put(frame(2, 1, 100, 2));
  for (uint8_t i = 1; i <= 2;) {
    EXPECT(queue.receive(*burst));
    for (uint16_t f = 0; f < burst->count; ++f, ++i) {
      const Bytes wanted = frame(2, 1, 100, i);
      EXPECT(std::memcmp(burst->frames[f].data, wanted.data(), wanted.size()) == 0);
    }
    queue.release(*burst);
  }
  EXPECT_EQ(in.used(), 0);
}

TEST("a port of another kind sees a device's frame where it lies: its copy is the only one") {
  Bench bench;
  RingDevice& in = bench.add();
  Memory& out = bench.add_memory();
  bench.place(2, out);
  const rte_mbuf* sent = in.put(frame(2, 1, 1500));
  bench.poll(in);
  EXPECT_EQ(out.seen.size(), 1);
  EXPECT(out.seen[0] == rte_pktmbuf_mtod(sent, const void*));
  EXPECT_EQ(in.used(), 0);
}

TEST("a frame of another kind is copied once, into a buffer of the device that it leaves by") {
  Bench bench;
  Memory& in = bench.add_memory();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  in.queue.waiting = {frame(2, 1, 60), frame(2, 1, 1514, 3)};
  bench.poll(in.queue);
  EXPECT_EQ(out.used(), 2);
  for (const Bytes& sent : {frame(2, 1, 60), frame(2, 1, 1514, 3)}) {
    rte_mbuf* got = out.take();
    EXPECT(got != nullptr && got->pool == out.pool);
    EXPECT(bytes_of(got) == sent);
    rte_pktmbuf_free(got);
  }
  bench.expect_balance();
}

TEST("a flooded frame is copied for each device, and its own buffer goes home") {
  Bench bench;
  RingDevice& in = bench.add();
  const std::array<RingDevice*, 3> out{&bench.add(), &bench.add(), &bench.add()};
  const rte_mbuf* sent = in.put(frame(0xff, 1, 777));
  bench.poll(in);
  EXPECT_EQ(in.used(), 0);
  for (RingDevice* device : out) {
    rte_mbuf* got = device->take();
    EXPECT(got != nullptr && got != sent && got->pool == device->pool);
    EXPECT(bytes_of(got) == frame(0xff, 1, 777));
    rte_pktmbuf_free(got);
  }
  bench.expect_balance();
}

TEST("a device's buffers lie one behind the other, in one piece of memory") {
  Bench bench;
  rte_mempool* const pool = bench.add().pool;
  struct Extent {
    uintptr_t first = UINTPTR_MAX;
    uintptr_t last = 0;
  } extent;
  const auto note = [](rte_mempool*, void* all, void* buffer, unsigned) {
    auto& so_far = *static_cast<Extent*>(all);
    so_far.first = std::min(so_far.first, reinterpret_cast<uintptr_t>(buffer));
    so_far.last = std::max(so_far.last, reinterpret_cast<uintptr_t>(buffer));
  };
  EXPECT_EQ(rte_mempool_obj_iter(pool, note, &extent), pool->size);
  EXPECT_EQ(pool->nb_mem_chunks, 1);
  const size_t size = pool->header_size + pool->elt_size + pool->trailer_size;
  EXPECT_EQ(extent.last - extent.first, (pool->size - 1) * size);
}

TEST("a device has buffers for all its queues and workers, on its own node, and 4,096 more") {
  Bench bench;
  const auto size_of_pool = [&](uint16_t ring_size) {
    const RingDevice& device = bench.add({.ring_size = ring_size});
    uint16_t number = 0;
    EXPECT_EQ(rte_eth_dev_get_port_by_name(device.name.c_str(), &number), 0);
    const bool has_nodes = rte_eal_has_hugepages() != 0;
    EXPECT_EQ(device.pool->socket_id, has_nodes ? rte_eth_dev_socket_id(number) : SOCKET_ID_ANY);
    return device.pool->size;
  };
  const uint32_t one = size_of_pool(1024);
  EXPECT(one >= 4096 + 2 * 1024);
  EXPECT_EQ(size_of_pool(512), one - 2 * 512);
}

TEST(
    "when a device's buffers are used up, frames to it are dropped: no_buffer; afterwards all is "
    "as before") {
  Bench bench;
  Memory& in = bench.add_memory();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  std::vector<rte_mbuf*> held;
  while (rte_mbuf* buffer = rte_pktmbuf_alloc(out.pool)) {
    held.push_back(buffer);
  }
  in.queue.waiting.assign(kBurst, frame(2, 1, 100));
  bench.poll(in.queue);
  EXPECT_EQ(bench.drops(Drop::kNoBuffer), kBurst);
  EXPECT(out.take() == nullptr);

  // Some, but not for all.
  rte_pktmbuf_free_bulk(held.data(), 10);
  held.erase(held.begin(), held.begin() + 10);
  in.queue.waiting.assign(kBurst, frame(2, 1, 100));
  bench.poll(in.queue);
  EXPECT_EQ(bench.drops(Drop::kNoBuffer), kBurst + kBurst - 10);
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 10);

  rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
  in.queue.waiting.assign(kBurst, frame(2, 1, 100));
  bench.poll(in.queue);
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 10 + kBurst);
  while (rte_mbuf* got = out.take()) {
    rte_pktmbuf_free(got);
  }
  bench.expect_balance();
}

TEST("a frame of several buffers that gets only some of them gives those back") {
  Bench bench;
  Memory& in = bench.add_memory();
  RingDevice& out = bench.add({.mtu = 9000});
  bench.place(2, *out.port);
  std::vector<rte_mbuf*> held;
  while (rte_mbuf* buffer = rte_pktmbuf_alloc(out.pool)) {
    held.push_back(buffer);
  }
  for (size_t free = 1; free <= 5; ++free) {
    rte_pktmbuf_free(held.back());
    held.pop_back();
    in.queue.waiting = {frame(2, 1, 9000)};
    bench.poll(in.queue);
    while (rte_mbuf* got = out.take()) {
      EXPECT(bytes_of(got) == frame(2, 1, 9000));
      rte_pktmbuf_free(got);
    }
    EXPECT_EQ(out.used(), held.size());
  }
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames) + bench.drops(Drop::kNoBuffer), 5);
  rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
  bench.expect_balance();
}

TEST("what a full device does not take is dropped with its buffer: ring_full") {
  Bench bench;
  RingDevice& in = bench.add();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  constexpr size_t kSent = kRing + 200;
  for (size_t i = 0; i < kSent; ++i) {
    in.put(frame(2, 1, 60));
    bench.poll(in);
  }
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), kRing);
  EXPECT_EQ(bench.sum(&PortCounters::tx_bytes), kRing * 60);
  EXPECT_EQ(bench.drops(Drop::kRingFull), kSent - kRing);
  EXPECT_EQ(in.used(), kRing);
  while (rte_mbuf* got = out.take()) {
    rte_pktmbuf_free(got);
  }
  EXPECT_EQ(in.used(), 0);
  bench.expect_balance();
}

TEST("a burst of the longest frames, in several buffers each, has room for all their pieces") {
  Bench bench;
  RingDevice& in = bench.add({.mtu = 9000});
  Memory& out = bench.add_memory();
  bench.place(2, out);
  constexpr size_t kFrames = 400;
  for (size_t i = 0; i < kFrames; ++i) {
    in.put_chained(frame(2, 1, 9014), 2048);
  }
  while (bench.poll(in) > 0) {
  }
  EXPECT_EQ(out.seen.size(), kFrames);
  EXPECT_EQ(in.used(), 0);
  bench.expect_balance();
}

TEST("a chain of more pieces than a burst has room for is dropped whole") {
  Bench bench;
  RingDevice& in = bench.add({.mtu = 9000});
  Memory& out = bench.add_memory();
  bench.place(2, out);
  in.put_chained(frame(2, 1, 4000), 5);
  in.put(frame(2, 1, 60));
  bench.poll(in);
  EXPECT_EQ(out.seen.size(), 1);
  EXPECT_EQ(in.used(), 0);
  bench.expect_balance();
}

TEST("buffers of a device that is closed wait for the last to come back") {
  Bench bench;
  RingDevice& in = bench.add();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  in.put(frame(2, 1, 60));
  bench.poll(in);
  in.port->close();
  uint32_t left = 0;
  uint32_t used = 0;
  dpdk().sweep(left, used);
  EXPECT_EQ(left, 2);
  EXPECT_EQ(used, 1);
  rte_pktmbuf_free(out.take());
  dpdk().sweep(left, used);
  EXPECT_EQ(left, 1);
  EXPECT_EQ(used, 0);
}

TEST("a thousand devices come and go, each with frames under way") {
  Bench bench;
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  DeviceOptions options{.devargs = "net_ring_guest", .ring_size = 64};
  const UniqueFd alarm(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  for (int round = 0; round < 1000; ++round) {
    RingDevice guest;
    EXPECT_EQ(dpdk().open(options, 50, nullptr, kMaxMacs, 1, alarm.get(), guest.port).message, "");
    guest.pool = newest_pool();
    guest.ring = rte_ring_lookup("ETH_RXTX0_net_ring_guest");
    guest.put(frame(2, 1, 60));
    bench.poll(guest);
    guest.port.reset();
    while (rte_mbuf* got = out.take()) {
      rte_pktmbuf_free(got);
    }
  }
  uint32_t left = 0;
  uint32_t used = 0;
  dpdk().sweep(left, used);
  EXPECT_EQ(left, 1);
  EXPECT_EQ(used, 0);
}
