// Workers that come, go and move, and queues that move between them, beside traffic: nothing is lost, no flow is reordered.
#include <atomic>
#include <stop_token>

#include "control/placement.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("placement: a new queue goes to the worker with the fewest, on its own node if that has one") {
  const std::vector<WorkerLoad> workers{{.number = 0, .node = 0, .queues = 3},
                                        {.number = 1, .node = 0, .queues = 2},
                                        {.number = 2, .node = 1, .queues = 9},
                                        {.number = 3, .node = kNoNode, .queues = 1}};
  EXPECT_EQ(place(workers, kNoNode), 3);
  EXPECT_EQ(place(workers, 0), 1);
  EXPECT_EQ(place(workers, 1), 2);
  EXPECT_EQ(place(workers, 7), 3);
  EXPECT_EQ(place({}, 0), kNoWorker);
}

TEST("placement: loads are evened out by the best move, within the node, and then no more") {
  const std::vector<WorkerLoad> workers{{.number = 4, .node = 0, .load = 0.9},
                                        {.number = 5, .node = 0, .load = 0.4},
                                        {.number = 6, .node = 1, .load = 0.0}};
  std::vector<QueueLoad> queues{{.worker = 4, .node = 0, .load = 0.1},
                                {.worker = 4, .node = 0, .load = 0.3},
                                {.worker = 4, .node = 0, .load = 0.5},
                                {.worker = 5, .node = 0, .load = 0.4}};
  std::optional<Move> move = even_out(workers, queues, 0.1);
  EXPECT(move && move->queue == 1 && move->to == 5);  // 0.6 and 0.7
  queues[1].by_hand = true;
  move = even_out(workers, queues, 0.05);
  EXPECT(move && move->queue == 0 &&
         move->to == 5);  // 0.8 and 0.5; the third would only turn it round
  EXPECT(!even_out(workers, queues, 0.2));
  queues[0].node = 2;  // nobody is near
  move = even_out(workers, queues, 0.05);
  EXPECT(move && move->queue == 0);
  EXPECT(!even_out({}, {}, 0.1));
}

TEST("placement: workers know the node of their CPU, and queues of a device stay on its node") {
  Shared shared;
  Reclaim reclaim(shared.epoch);
  Workers workers({{.cpu = 0}, {.cpu = 1}, {.cpu = 2}, {}}, shared, reclaim,
                  [](int cpu) { return cpu < 0 ? kNoNode : cpu / 2; });
  const std::vector<WorkerState> states = workers.states();
  EXPECT_EQ(states[1].node, 0);
  EXPECT_EQ(states[2].node, 1);
  EXPECT_EQ(states[3].node, kNoNode);
}

namespace {

// Numbered frames of four flows, one a queue, from one station to another, until told to stop and all have come. A flow's
// frames must come in their order, whatever ring they come by.
class Flows {
 public:
  Flows(Station& from, Station& to, uint8_t source, uint8_t destination)
      : source_(source),
        destination_(destination),
        thread_([this, &from, &to](const std::stop_token& stop) { run(from, to, stop); }) {}

  // All that were sent.
  uint64_t finish() {
    thread_.request_stop();
    thread_.join();
    EXPECT_EQ(wrong_, 0);
    uint64_t all = 0;
    for (size_t flow = 0; flow < kFlows; ++flow) {
      EXPECT_EQ(received_[flow], sent_[flow]);
      all += sent_[flow];
    }
    return all;
  }
  [[nodiscard]] uint64_t arrived() const { return arrived_.load(); }

 private:
  static constexpr size_t kFlows = 4;
  static constexpr uint32_t kWindow = 200;  // of each; far less than a ring takes

  void run(Station& from, Station& to, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      for (uint32_t flow = 0; flow < kFlows; ++flow) {
        while (sent_[flow] - received_[flow] < kWindow && send(from, flow)) {
        }
      }
      take(to);
    }
    expect::within(expect::kPatience, [&] {
      take(to);
      return received_ == sent_;
    });
  }

  bool send(Station& from, uint32_t flow) {
    Bytes bytes = frame(destination_, source_);
    std::memcpy(bytes.data() + 14, &flow, sizeof flow);
    std::memcpy(bytes.data() + 18, &sent_[flow], sizeof sent_[flow]);
    if (!from.send(bytes, flow)) {
      return false;
    }
    ++sent_[flow];
    return true;
  }

  void take(Station& to) {
    for (size_t ring = 0; ring < to.link().rx.size(); ++ring) {
      while (const std::optional<Bytes> got = to.receive(ring)) {
        uint32_t flow = 0;
        uint32_t number = 0;
        std::memcpy(&flow, got->data() + 14, sizeof flow);
        std::memcpy(&number, got->data() + 18, sizeof number);
        wrong_ += flow >= kFlows || number != received_[flow % kFlows] ? 1 : 0;
        ++received_[flow % kFlows];
        arrived_.fetch_add(1);
      }
    }
    std::this_thread::yield();
  }

  const uint8_t source_;
  const uint8_t destination_;
  std::array<uint32_t, kFlows> sent_{};
  std::array<uint32_t, kFlows> received_{};
  std::atomic<uint64_t> arrived_{0};
  uint32_t wrong_ = 0;
  std::jthread thread_;  // ends before what it works on does
};

memif::ClientOptions four() {
  return {.queues = 4};
}

// Two ports of four queues, and traffic both ways.
struct Pair {
  explicit Pair(Fixture& fixture)
      : in(fixture.add_port("in", {.interface = {.queues = 4}})),
        out(fixture.add_port("out", {.interface = {.queues = 4}})),
        left(fixture.socket("in"), four()),
        right(fixture.socket("out"), four()) {
    EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(1), in).ok());
    EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(2), out).ok());
    there.emplace(left, right, 1, 2);
    back.emplace(right, left, 2, 1);
  }
  // Some frames more have come through, both ways.
  void proceed() {
    const uint64_t there_now = there->arrived();
    const uint64_t back_now = back->arrived();
    EXPECT_SOON(there->arrived() > there_now + 10 && back->arrived() > back_now + 10);
  }
  void expect_nothing_lost(Fixture& fixture) {
    const uint64_t forth = there->finish();
    const uint64_t home = back->finish();
    EXPECT_EQ(fixture.count(in, &PortCounters::rx_frames), forth);
    EXPECT_EQ(fixture.count(out, &PortCounters::tx_frames), forth);
    EXPECT_EQ(fixture.count(in, &PortCounters::tx_frames), home);
    EXPECT_EQ(fixture.imbalance(), 0);
  }

  PortId in;
  PortId out;
  Station left;
  Station right;
  std::optional<Flows> there;
  std::optional<Flows> back;
};

uint16_t worker_of(Fixture& fixture, PortId port, uint16_t number) {
  for (const WorkerState& worker : fixture.sw.worker_states()) {
    for (const QueueState& queue : worker.queues) {
      if (queue.port == port && queue.queue == number) {
        return worker.number;
      }
    }
  }
  return kNoWorker;
}

}  // namespace

TEST("queues that move hundreds of times between workers lose no frame and reorder no flow") {
  for (const Polling polling : {Polling::kBusy, Polling::kAdaptive, Polling::kInterrupt}) {
    const expect::Row row("polling " + std::to_string(static_cast<int>(polling)));
    Fixture fixture(2, {}, polling);
    Pair pair(fixture);
    for (uint16_t i = 0; i < 300; ++i) {
      const PortId port = i % 3 == 0 ? pair.out : pair.in;
      const uint16_t queue = i % 4;
      const auto to = static_cast<uint16_t>(1 - worker_of(fixture, port, queue));
      EXPECT(fixture.sw.move_queue(port, queue, to).ok());
      EXPECT_EQ(worker_of(fixture, port, queue), to);
      if (i % 50 == 0) {
        pair.proceed();
      }
    }
    pair.proceed();
    pair.expect_nothing_lost(fixture);
  }
}

TEST("two workers that share a CPU, or have one each, move the frames of ports of four queues") {
  const int other = std::thread::hardware_concurrency() > 1 ? 1 : 0;
  for (const int second : {0, other}) {
    for (const Polling polling : {Polling::kBusy, Polling::kAdaptive, Polling::kInterrupt}) {
      const expect::Row row("CPUs 0 and " + std::to_string(second) + ", polling " +
                            std::to_string(static_cast<int>(polling)));
      Fixture fixture(2, {}, polling);
      EXPECT(fixture.sw.set_worker(0, {.cpu = 0, .polling = polling}).ok());
      EXPECT(fixture.sw.set_worker(1, {.cpu = second, .polling = polling}).ok());
      Pair pair(fixture);
      for (int i = 0; i < 20; ++i) {
        pair.proceed();
      }
      for (uint16_t worker = 0; worker < 2; ++worker) {
        EXPECT_EQ(fixture.sw.worker_states()[worker].queues.size(), 4);
        EXPECT_SOON(std::ranges::any_of(fixture.sw.worker_states()[worker].queues,
                                        [](const QueueState& queue) { return queue.frames > 0; }));
      }
      pair.expect_nothing_lost(fixture);
    }
  }
}

TEST("workers that come, go and change CPU and polling beside traffic cost no frame") {
  Fixture fixture(1);
  Pair pair(fixture);
  for (int round = 0; round < 20; ++round) {
    const uint16_t number = fixture.add_worker();
    EXPECT_EQ(number, 1);
    fixture.sw.spread_queues();
    EXPECT_EQ(fixture.sw.worker_states()[1].queues.size(), 4);
    EXPECT(fixture.sw.set_worker(number, {.cpu = round % 2, .polling = Polling::kBusy}).ok());
    EXPECT(fixture.sw.set_worker(0, {.cpu = -1, .polling = Polling::kInterrupt}).ok());
    pair.proceed();
    EXPECT(fixture.sw.remove_worker(number).ok());
    fixture.join_worker(number);
    EXPECT_EQ(fixture.sw.worker_states()[0].queues.size(), 8);
    pair.proceed();
  }
  EXPECT_EQ(fixture.sw.remove_worker(0).message,
            "the last worker cannot be removed; close the switch instead");
  EXPECT_EQ(fixture.sw.set_worker(7, {}).message, "there is no worker 7");
  EXPECT(!fixture.sw.set_worker(0, {.cpu = 1000}).ok());
  pair.expect_nothing_lost(fixture);
}

TEST("queues placed by hand are where they were put, and those of a removed worker move on") {
  Fixture fixture(3);
  const PortId port = fixture.add_port("in", {.workers = {2, 1}, .interface = {.queues = 4}});
  const Station station(fixture.socket("in"), four());
  for (uint16_t queue = 0; queue < 4; ++queue) {
    EXPECT_EQ(worker_of(fixture, port, queue), queue % 2 == 0 ? 2 : 1);
  }
  EXPECT(fixture.sw.place_port(port, {0}).ok());
  EXPECT_EQ(worker_of(fixture, port, 3), 0);
  EXPECT(!fixture.sw.place_port(port, {9}).ok());
  EXPECT_EQ(fixture.sw.move_queue(port, 4, 0).message, "the port has no queue 4 now");
  EXPECT(fixture.sw.remove_worker(0).ok());
  EXPECT(worker_of(fixture, port, 3) != 0);
}

TEST("placement auto moves a busy queue away from another one, to the worker that has time") {
  Fixture fixture(2);
  fixture.sw.set_placement(Placement::kAuto);
  Pair pair(fixture);
  for (const PortId port : {pair.in, pair.out}) {
    EXPECT(fixture.sw.place_port(port, {0}).ok());
  }
  // While they are placed by hand: from then on loads may be looked at, and evened out, at any moment.
  EXPECT(fixture.sw.worker_states()[1].queues.empty());
  for (const PortId port : {pair.in, pair.out}) {
    EXPECT(fixture.sw.place_port(port, {}).ok());
  }
  EXPECT_SOON(!fixture.sw.worker_states()[1].queues.empty());
  pair.proceed();
  pair.expect_nothing_lost(fixture);
}

TEST("a busy worker still hears queues that have long been silent") {
  Fixture fixture(1, {}, Polling::kBusy);
  Pair pair(fixture);
  fixture.add_port("silent");
  Station silent(fixture.socket("silent"));
  for (uint8_t i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than a queue needs to rest
    EXPECT(silent.send(frame(3, 3)));                           // to itself: dropped, and counted
    EXPECT_SOON(memif::available(silent.link().tx[0]) == silent.link().tx[0].size);
  }
  pair.expect_nothing_lost(fixture);
}
