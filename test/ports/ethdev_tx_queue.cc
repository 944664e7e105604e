// A transmit queue of a device that several workers send by: who has it, what is left with whom, what is lost.
#include "ports/ethdev_tx_queue.h"

#include <functional>
#include <thread>

#include "test/ports/ethdev_kit.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// Is called by whoever sends by a device's queue, inside DPDK.
class SendHook {
 public:
  SendHook(const RingDevice& device, std::function<void()> call) : call_(std::move(call)) {
    EXPECT_EQ(rte_eth_dev_get_port_by_name(device.name.c_str(), &number_), 0);
    const auto enter = [](uint16_t, uint16_t, rte_mbuf**, uint16_t count, void* hook) {
      static_cast<SendHook*>(hook)->call_();
      return count;
    };
    callback_ = rte_eth_add_tx_callback(number_, 0, enter, this);
    EXPECT(callback_ != nullptr);
  }
  SendHook(const SendHook&) = delete;
  SendHook& operator=(const SendHook&) = delete;
  ~SendHook() { rte_eth_remove_tx_callback(number_, 0, callback_); }

 private:
  const std::function<void()> call_;
  uint16_t number_ = 0;
  const rte_eth_rxtx_callback* callback_ = nullptr;
};

// Holds whoever sends until it is let go: once for each pass().
class Gate {
 public:
  explicit Gate(const RingDevice& device) : hook_(device, [this] { hold(); }) {}

  // Until somebody stands there for the `nth` time, from 1 on.
  void await(unsigned nth) const {
    while (came_.load() < nth) {
      std::this_thread::yield();
    }
  }
  void pass() { ++passes_; }

 private:
  void hold() {
    const unsigned mine = ++came_;
    while (passes_.load() < mine) {
      std::this_thread::yield();
    }
  }

  std::atomic<unsigned> came_{0};
  std::atomic<unsigned> passes_{0};
  SendHook hook_;
};

// Counts how often two send at once; each stays there for a while.
class Crowd {
 public:
  explicit Crowd(const RingDevice& device) : hook_(device, [this] { stay(); }) {}

  [[nodiscard]] unsigned together() const { return together_.load(); }

 private:
  void stay() {
    if (inside_.fetch_add(1) != 0) {
      ++together_;
    }
    std::this_thread::yield();
    --inside_;
  }

  std::atomic<unsigned> inside_{0};
  std::atomic<unsigned> together_{0};
  SendHook hook_;
};

}  // namespace

TEST("a worker that finds a device's queue taken does not wait: who has the queue sends for it") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  Gate gate(out);
  constexpr uint8_t kFrames = 32;
  for (uint8_t i = 0; i < kFrames; ++i) {
    in[0]->put(frame(9, 1, 100, i));
  }
  std::thread first([&] { bench.poll(*in[0]->port->queues()[0], 0); });
  gate.await(1);
  for (uint8_t i = 0; i < 2 * kFrames; ++i) {
    in[1]->put(frame(9, 2, 100, i));
    if (i % kFrames == kFrames - 1) {
      EXPECT_EQ(bench.poll(*in[1]->port->queues()[0], 1), kFrames);  // returns
    }
  }
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 0);
  gate.pass();
  gate.pass();
  first.join();
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 3 * kFrames);
  for (const uint8_t from : {uint8_t{1}, uint8_t{2}}) {
    for (uint8_t i = 0; i < from * kFrames; ++i) {
      rte_mbuf* got = out.take();
      EXPECT(got != nullptr && bytes_of(got) == frame(9, from, 100, i));
      rte_pktmbuf_free(got);
    }
  }
  bench.expect_balance();
}

TEST("what is left for the one who sends just as it ends is sent when the worker settles") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  Gate gate(out);
  in[0]->put(frame(9, 1, 100));
  std::thread first([&] { bench.poll(*in[0]->port->queues()[0], 0); });
  const auto leave = [&] {
    in[1]->put(frame(9, 2, 100));
    bench.poll(*in[1]->port->queues()[0], 1);
  };
  gate.await(1);
  leave();
  gate.pass();
  gate.await(2);  // it sends what was left, and has looked for the last time
  leave();
  bench.settle(1);  // in vain: the queue is taken
  gate.pass();
  first.join();
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 2);
  gate.pass();
  bench.settle(1);  // for it has not forgotten
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 3);
  while (rte_mbuf* got = out.take()) {
    rte_pktmbuf_free(got);
  }
  bench.expect_balance();
}

TEST("what a worker left goes before what it sends next") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  Gate gate(out);
  in[0]->put(frame(9, 1, 100));
  std::thread first([&] { bench.poll(*in[0]->port->queues()[0], 0); });
  const auto send = [&](uint8_t mark) {
    in[1]->put(frame(9, 2, 100, mark));
    bench.poll(*in[1]->port->queues()[0], 1);
  };
  gate.await(1);
  send(0);
  gate.pass();
  gate.await(2);  // the first has looked for the last time
  send(1);
  gate.pass();
  first.join();
  gate.pass();
  gate.pass();
  send(2);  // has the queue itself now
  rte_pktmbuf_free(out.take());
  for (uint8_t mark = 0; mark <= 2; ++mark) {
    rte_mbuf* got = out.take();
    EXPECT(got != nullptr && bytes_of(got) == frame(9, 2, 100, mark));
    rte_pktmbuf_free(got);
  }
  bench.expect_balance();
}

TEST("what a worker leaves has bounds: queue_busy; and a device that closes tells what it had") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  constexpr size_t kRoom = 4 * kBurst;
  {
    Gate gate(out);
    in[0]->put(frame(9, 1, 100));
    std::thread first([&] { bench.poll(*in[0]->port->queues()[0], 0); });
    gate.await(1);
    in[1]->put(frame(9, 2, 100));
    bench.poll(*in[1]->port->queues()[0], 1);
    gate.pass();
    gate.await(2);
    for (size_t i = 0; i < kRoom + 10; ++i) {
      in[1]->put(frame(9, 2, 100));
      bench.poll(*in[1]->port->queues()[0], 1);
    }
    gate.pass();
    first.join();
  }
  // One of its places is still that of the frame just sent.
  EXPECT_EQ(bench.drops(Drop::kQueueBusy), 11);
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 2);
  while (rte_mbuf* got = out.take()) {
    rte_pktmbuf_free(got);
  }
  EXPECT_EQ(in[1]->used(), kRoom - 1);
  EXPECT_EQ(out.port->close(), kRoom - 1);
  EXPECT_EQ(in[1]->used(), 0);
}

TEST("two workers send by a device with one queue at once, and none of their frames is lost") {
  Bench bench;
  bench.add_worker();
  const std::array<RingDevice*, 2> in{&bench.add(), &bench.add()};
  RingDevice& out = bench.add();
  bench.place(9, *out.port);
  Crowd crowd(out);
  constexpr size_t kRounds = 300;
  constexpr size_t kFrames = 32;
  constexpr size_t kUnderWay = 512;  // what the ring has room for, and what a worker can leave
  std::atomic<size_t> put{0};
  std::atomic<size_t> arrived{0};
  std::array<std::thread, 2> workers;
  for (size_t w = 0; w < 2; ++w) {
    workers[w] = std::thread([&, w] {
      for (size_t round = 0; round < kRounds; ++round) {
        while (put.load() + kFrames > arrived.load() + kUnderWay) {
          bench.settle(w);
          std::this_thread::yield();
        }
        put.fetch_add(kFrames);
        for (size_t i = 0; i < kFrames; ++i) {
          in[w]->put(frame(9, static_cast<uint8_t>(w + 1), 100));
        }
        bench.poll(*in[w]->port->queues()[0], w);
      }
    });
  }
  const auto sink = [&] {
    while (rte_mbuf* got = out.take()) {
      rte_pktmbuf_free(got);
      arrived.fetch_add(1);
    }
  };
  while (put.load() < 2 * kRounds * kFrames) {
    sink();
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  for (size_t w = 0; w < 2; ++w) {
    bench.settle(w);
  }
  sink();
  EXPECT_EQ(arrived.load(), 2 * kRounds * kFrames);
  EXPECT_EQ(bench.sum(&PortCounters::tx_frames), 2 * kRounds * kFrames);
  EXPECT_EQ(crowd.together(), 0);
  bench.expect_balance();
}
