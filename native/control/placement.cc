#include "control/placement.h"

#include <algorithm>

namespace memswitch {

namespace {

bool is_near(const WorkerLoad& worker, int node) {
  return node == kNoNode || worker.node == node;
}

// Whether a queue of that node may go to the worker: it is near, or nobody is.
bool may_take(std::span<const WorkerLoad> workers, const WorkerLoad& worker, int node) {
  return is_near(worker, node) || std::ranges::none_of(workers, [node](const WorkerLoad& other) {
           return is_near(other, node);
         });
}

}  // namespace

uint16_t place(std::span<const WorkerLoad> workers, int node) {
  const WorkerLoad* best = nullptr;
  for (const WorkerLoad& worker : workers) {
    if (may_take(workers, worker, node) && (best == nullptr || worker.queues < best->queues)) {
      best = &worker;
    }
  }
  return best == nullptr ? kNoWorker : best->number;
}

std::optional<Move> even_out(std::span<const WorkerLoad> workers, std::span<const QueueLoad> queues,
                             double gain) {
  const auto busiest = std::ranges::max_element(workers, {}, &WorkerLoad::load);
  std::optional<Move> best;
  if (busiest == workers.end()) {
    return best;
  }
  for (size_t q = 0; q < queues.size(); ++q) {
    const QueueLoad& queue = queues[q];
    if (queue.worker != busiest->number || queue.by_hand) {
      continue;
    }
    for (const WorkerLoad& worker : workers) {
      const double peak = std::max(busiest->load - queue.load, worker.load + queue.load);
      if (&worker != &*busiest && busiest->load - peak >= gain &&
          may_take(workers, worker, queue.node)) {
        gain = busiest->load - peak;
        best = Move{q, worker.number};
      }
    }
  }
  return best;
}

}  // namespace memswitch
