// The way of a burst, on one screen.
//
//   receive    views of what waits in a queue; checked, not copied
//   snapshot   the frames' first bytes, private from here on
//   classify   lengths, and runs of frames with the same addresses
//   admit      where the port has a policy: what it may not send ends here
//   hash       of all addresses, their buckets on the way into the cache
//   learn      where the sources are
//   look_up    where the destinations are: sorted by the port they leave by
//   deliver    each group to its port in one call
//   depart       where that port has a policy: what may not leave by it ends here
//   release    the buffers go back to their owner
//   settle     later: receivers that fell asleep meanwhile are woken
#include "dataplane/policy.h"
#include "dataplane/pollset.h"
#include "dataplane/watch.h"
#include "dataplane/worker.h"
#include "tables/bridge.h"

namespace memswitch {

void forward(Burst& burst, Worker& worker, Port& in) {
  PortCounters& counters = worker.counters_of(in.id());
  snapshot(burst);
  classify(burst, counters, in.max_frame.load(std::memory_order_relaxed));
  if (const Policy* policy = in.policy.load(std::memory_order_acquire)) [[unlikely]] {
    admit(burst, worker, in, *policy);
  }
  if (burst.thinned) [[unlikely]] {
    thin(burst);
  }
  if (Bridge* bridge = in.bridge.load(std::memory_order_acquire)) [[likely]] {
    hash(burst, *bridge);
    learn(burst, worker, in, *bridge);
    look_up(burst, worker, in, *bridge);
    if (const Watch* watch = in.watch.load(std::memory_order_acquire)) [[unlikely]] {
      watch->came(burst, worker.index, counters);
    }
    deliver(burst, worker, in, *bridge);
  } else if (Vtep* vtep = in.vtep.load(std::memory_order_acquire)) {
    vtep->take(burst, worker, in);
  } else {
    drop_unbridged(burst, worker, in);
  }
}

namespace {

thread_local const Worker* own = nullptr;

uint16_t serve(RxQueue& queue, Worker& worker) {
  Burst& burst = worker.burst;
  if (!queue.receive(burst)) {
    return 0;
  }
  queue.last_frame = worker.now;
  queue.frames.add(burst.count);
  burst.lane = queue.lane;
  if (burst.refused) [[unlikely]] {
    drop_refused(burst, worker, queue.port());
  } else {
    forward(burst, worker, queue.port());
  }
  queue.release(burst);
  worker.counters.count_burst(burst.count);
  return burst.count;
}

}  // namespace

uint32_t poll_once(Worker& worker, std::span<RxQueue* const> queues) {
  uint32_t frames = 0;
  for (RxQueue* queue : queues) {
    worker.serving.store(queue, std::memory_order_relaxed);
    frames += serve(*queue, worker);
  }
  worker.serving.store(nullptr, std::memory_order_relaxed);
  return frames;
}

PortId polled_port() {
  const RxQueue* queue = own == nullptr ? nullptr : own->serving.load(std::memory_order_relaxed);
  return queue == nullptr ? kNoPort : queue->port().id();
}

void poll(Worker& worker) {
  own = &worker;
  worker.shared.epoch.online(worker.index);
  Pollset pollset(worker);
  while (!worker.stop.load(std::memory_order_relaxed)) {
    worker.shared.epoch.quiescent(worker.index);
    pollset.after(poll_once(worker, pollset.active()));
  }
  settle(worker);
  worker.shared.epoch.offline(worker.index);
  own = nullptr;
}

}  // namespace memswitch
