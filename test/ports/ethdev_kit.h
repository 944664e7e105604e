// For tests of devices, one thread and no clock: frames are put into the rings of net_ring devices by hand, the worker's
// loop is called by hand, and what comes out is the very buffers that went in, or others.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <sys/eventfd.h>

#include <array>
#include <cstring>

#include "control/dpdk.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"
#include "test/native/fixture.h"

namespace memswitch::test {

inline Dpdk& dpdk() {
  Dpdk* dpdk = nullptr;
  const Status status = load_dpdk(dpdk);
  EXPECT_EQ(status.message, "");
  return *dpdk;
}

inline std::vector<rte_mempool*> all_pools() {
  std::vector<rte_mempool*> all;
  const auto note = [](rte_mempool* pool, void* list) {
    static_cast<std::vector<rte_mempool*>*>(list)->push_back(pool);
  };
  rte_mempool_walk(note, &all);
  return all;
}

// The pool of the device that was opened last: their names are numbered.
inline rte_mempool* newest_pool() {
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
  std::string name{};  // DPDK's
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

inline Bytes bytes_of(const rte_mbuf* buffer) {
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
                                       .shared = false,
                                       .checked = checked};
      }
      return burst.count > 0;
    }
    void release(const Burst&) override { waiting.clear(); }
    bool arm() override { return true; }
    void disarm() override {}
    [[nodiscard]] int wake_fd() const override { return -1; }

    std::vector<Bytes> waiting;
    bool checked = false;  // as by a device
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
    device.name = options.devargs;
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
  // Any other port.
  void join(Port& port) {
    shared_.ports[port.id()].store(&port);
    members_.push_back(&port);
    bridge_.members.store(&members_);
  }
  PortId next_id() { return next_++; }
  // Station `last` is behind that port.
  void place(uint8_t last, Port& port) {
    bridge_.macs.learn(mac(last), bridge_.macs.hash(mac(last)), port.id(), port.macs, 0);
  }

  uint32_t poll(RxQueue& queue, size_t worker = 0) {
    std::array<RxQueue*, 1> one{&queue};
    return poll_once(workers_[worker]->worker, one);
  }
  void settle(size_t worker) { memswitch::settle(workers_[worker]->worker); }
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
              sum(&PortCounters::tx_frames) + sum(&PortCounters::consumed) + dropped);
  }

  [[nodiscard]] Bridge& bridge() { return bridge_; }
  [[nodiscard]] Shared& shared() { return shared_; }
  [[nodiscard]] PortCounters* counters() { return workers_[0]->ports.data(); }

 private:
  struct OneWorker {
    OneWorker(Shared& shared, uint16_t index) : worker(index, shared, ports.data(), own) {}
    std::vector<PortCounters> ports = std::vector<PortCounters>(kMaxPorts);
    WorkerCounters own;
    Worker worker;
  };

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

}  // namespace memswitch::test
