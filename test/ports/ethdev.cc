// Ports over devices, one thread and no clock: frames are put into the rings of net_ring devices by hand, the worker's
// loop is called by hand, and what comes out is the very buffers that went in, or others.
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <sys/eventfd.h>

#include <array>
#include <cstring>
#include <thread>

#include "control/dpdk.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

Dpdk& dpdk() {
  Dpdk* dpdk = nullptr;
  const Status status = load_dpdk(dpdk);
  EXPECT_EQ(status.message, "");
  return *dpdk;
}

std::vector<rte_mempool*> all_pools() {
  std::vector<rte_mempool*> all;
  const auto note = [](rte_mempool* pool, void* list) {
    static_cast<std::vector<rte_mempool*>*>(list)->push_back(pool);
  };
  rte_mempool_walk(note, &all);
  return all;
}

// The pool of the device that was opened last: their names are numbered.
rte_mempool* newest_pool() {
  rte_mempool* newest = nullptr;
  const auto number = [](const rte_mempool* pool) {
    return std::strtoul(pool->name + std::strlen("memswitch"), nullptr, 10);
  };
  for (unsigned long most = 0; rte_mempool * pool : all_pools()) {
    if (number(pool) > most) {
      most = number(pool);
      newest = pool;
    }
  }
  return newest;
}

// A device whose frames the test itself puts in and takes out: net_ring gives what is sent by it back as received.
struct RingDevice {
  std::unique_ptr<DevicePort> port;
  rte_mempool* pool = nullptr;
  rte_ring* ring = nullptr;

  rte_mbuf* put(const Bytes& frame) {
    rte_mbuf* buffer = rte_pktmbuf_alloc(pool);
    EXPECT(buffer != nullptr);
    std::memcpy(rte_pktmbuf_append(buffer, static_cast<uint16_t>(frame.size())), frame.data(),
                frame.size());
    EXPECT_EQ(rte_ring_enqueue(ring, buffer), 0);
    return buffer;
  }
  // In pieces of so many bytes.
  rte_mbuf* put_chained(const Bytes& frame, size_t piece) {
    rte_mbuf* first = nullptr;
    for (size_t at = 0; at < frame.size(); at += piece) {
      rte_mbuf* buffer = rte_pktmbuf_alloc(pool);
      const size_t size = std::min(piece, frame.size() - at);
      std::memcpy(rte_pktmbuf_append(buffer, static_cast<uint16_t>(size)), frame.data() + at, size);
      if (first == nullptr) {
        first = buffer;
      } else {
        EXPECT_EQ(rte_pktmbuf_chain(first, buffer), 0);
      }
    }
    EXPECT_EQ(rte_ring_enqueue(ring, first), 0);
    return first;
  }
  // Null: nothing came out.
  rte_mbuf* take() {
    void* buffer = nullptr;
    return rte_ring_dequeue(ring, &buffer) == 0 ? static_cast<rte_mbuf*>(buffer) : nullptr;
  }
  [[nodiscard]] unsigned used() const { return rte_mempool_in_use_count(pool); }
};

Bytes bytes_of(const rte_mbuf* buffer) {
  Bytes bytes(buffer->pkt_len);
  std::vector<uint8_t> room(buffer->pkt_len);
  const void* data = rte_pktmbuf_read(buffer, 0, buffer->pkt_len, room.data());
  std::memcpy(bytes.data(), data, bytes.size());
  return bytes;
}

// Something of no device: frames that lie in ordinary memory, and a note of where a frame lay that came out.
class Memory final : public Port {
 public:
  using Port::Port;

  class Queue final : public RxQueue {
   public:
    using RxQueue::RxQueue;
    bool receive(Burst& burst) override {
      burst.count = burst.segments = 0;
      for (const Bytes& frame : waiting) {
        burst.frames[burst.count++] = {.data = reinterpret_cast<const std::byte*>(frame.data()),
                                       .buffer = nullptr,
                                       .length = static_cast<uint32_t>(frame.size()),
                                       .first_length = static_cast<uint32_t>(frame.size()),
                                       .segment = 0,
                                       .segments = 0,
                                       .shared = false};
      }
      return burst.count > 0;
    }
    void release(const Burst&) override { waiting.clear(); }
    bool arm() override { return true; }
    void disarm() override {}
    [[nodiscard]] int wake_fd() const override { return -1; }

    std::vector<Bytes> waiting;
  };

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t,
                PortCounters& counters) override {
    for (const uint8_t index : which) {
      seen.push_back(burst.frames[index].data);
      counters.tx_frames.add(1);
    }
  }

  Queue queue{*this};
  std::vector<const void*> seen;
};

class Bench {
 public:
  Bench() : bridge_(1, 1000) { workers_.push_back(std::make_unique<OneWorker>(shared_, 0)); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    devices_.clear();
    uint32_t left = 0;
    uint32_t used = 0;
    dpdk().sweep(left, used);
    if (left != 0 || used != 0) {
      expect::note(__FILE__, __LINE__, std::to_string(used) + " buffers were never given back");
    }
  }

  // Its port has the next number, from 1 on.
  RingDevice& add(DeviceOptions options = {}) {
    const PortId id = next_++;
    options.devargs = "net_ring_" + std::to_string(id);
    RingDevice device;
    const Status status =
        dpdk().open(options, id, &bridge_, kMaxMacs, 2, alarm_.get(), device.port);
    EXPECT_EQ(status.message, "");
    device.pool = newest_pool();
    device.ring = rte_ring_lookup(("ETH_RXTX0_" + options.devargs).c_str());
    EXPECT(device.ring != nullptr);
    join(*device.port);
    return *devices_.emplace_back(std::make_unique<RingDevice>(std::move(device)));
  }
  Memory& add_memory() {
    memories_.push_back(std::make_unique<Memory>(next_++, &bridge_, kMaxMacs));
    join(*memories_.back());
    return *memories_.back();
  }
  // Station `last` is behind that port.
  void place(uint8_t last, Port& port) {
    bridge_.macs.learn(mac(last), bridge_.macs.hash(mac(last)), port.id(), port.macs, 0);
  }

  uint32_t poll(RxQueue& queue, size_t worker = 0) {
    std::array<RxQueue*, 1> one{&queue};
    return poll_once(workers_[worker]->worker, one);
  }
  uint32_t poll(const RingDevice& device) { return poll(*device.port->queues()[0]); }

  void add_worker() {
    workers_.push_back(
        std::make_unique<OneWorker>(shared_, static_cast<uint16_t>(workers_.size())));
  }
  uint64_t sum(Counter PortCounters::*counter) {
    return sum_of([&](const PortCounters& one) { return (one.*counter).get(); });
  }
  uint64_t drops(Drop reason) {
    return sum_of(
        [&](const PortCounters& one) { return one.drops[static_cast<size_t>(reason)].get(); });
  }
  void expect_balance() {
    uint64_t dropped = 0;
    for (size_t reason = 0; reason < kDropReasons; ++reason) {
      dropped += drops(static_cast<Drop>(reason));
    }
    EXPECT_EQ(sum(&PortCounters::rx_frames) + sum(&PortCounters::copies),
              sum(&PortCounters::tx_frames) + dropped);
  }

 private:
  struct OneWorker {
    OneWorker(Shared& shared, uint16_t index) : worker(index, shared, ports.data(), own) {}
    std::vector<PortCounters> ports = std::vector<PortCounters>(kMaxPorts);
    WorkerCounters own;
    Worker worker;
  };

  void join(Port& port) {
    shared_.ports[port.id()].store(&port);
    members_.push_back(&port);
    bridge_.members.store(&members_);
  }
  template <typename Value>
  uint64_t sum_of(const Value& value) {
    uint64_t sum = 0;
    for (const auto& worker : workers_) {
      for (const PortCounters& one : worker->ports) {
        sum += value(one);
      }
    }
    return sum;
  }

  UniqueFd alarm_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  Shared shared_;
  Bridge bridge_;
  Bridge::Members members_;
  std::vector<std::unique_ptr<OneWorker>> workers_;
  std::vector<std::unique_ptr<RingDevice>> devices_;
  std::vector<std::unique_ptr<Memory>> memories_;
  PortId next_ = 1;
};

constexpr size_t kRing = 1023;  // what a ring of net_ring takes

}  // namespace

TEST("from device to device the buffer changes hands") {
  Bench bench;
  RingDevice& in = bench.add();
  RingDevice& out = bench.add();
  bench.place(2, *out.port);
  std::vector<rte_mbuf*> sent;
  constexpr uint8_t kFrames = 100;
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

TEST(
    "two workers take turns at a device with one queue, and none of their frames is lost or "
    "counted twice") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  constexpr size_t kRounds = 300;
  constexpr size_t kFrames = 32;
  std::atomic<bool> done{false};
  size_t arrived = 0;
  std::thread sink([&] {
    for (bool last = false; !last;) {
      last = done.load();
      while (rte_mbuf* got = out.take()) {
        ++arrived;
        rte_pktmbuf_free(got);
      }
    }
  });
  std::array<std::thread, 2> workers;
  for (size_t w = 0; w < 2; ++w) {
    workers[w] = std::thread([&, w] {
      for (size_t round = 0; round < kRounds; ++round) {
        for (size_t i = 0; i < kFrames; ++i) {
          in[w]->put(frame(9, static_cast<uint8_t>(w + 1), 100));
        }
        while (rte_ring_free_count(out.ring) < 2 * kFrames) {
          std::this_thread::yield();
        }
        bench.poll(*in[w]->port->queues()[0], w);
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  done.store(true);
  sink.join();
  EXPECT_EQ(arrived, bench.sum(&PortCounters::tx_frames));
  EXPECT_EQ(arrived + bench.drops(Drop::kQueueBusy), 2 * kRounds * kFrames);
  EXPECT(arrived > kRounds * kFrames);
  bench.expect_balance();
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
