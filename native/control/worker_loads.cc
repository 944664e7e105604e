// How busy workers are, and queues shared out by that.
#include <x86intrin.h>

#include <algorithm>
#include <utility>

#include "control/workers.h"

namespace memswitch {

// `elapsed` in cycles.
void Workers::Member::measure(uint64_t elapsed) {
  const auto since = [](uint64_t& before, const Counter& counter) {
    const uint64_t now = counter.get();
    return static_cast<double>(now - std::exchange(before, now));
  };
  const double spent = since(busy_cycles, own.busy_cycles);
  const double moved = since(frames, own.frames);
  const double taken = since(bursts, own.bursts);
  busy = std::min(1.0, spent / static_cast<double>(std::max<uint64_t>(elapsed, 1)));
  frames_per_burst = taken > 0 ? moved / taken : 0;
  cycles_per_frame = moved > 0 ? spent / moved : 0;
}

// A queue's share of its worker's busy time is its share of the frames.
void Workers::measure() {
  std::array<uint64_t, kMaxWorkers> frames{};
  std::unordered_map<const RxQueue*, uint64_t> moved;
  for (auto& [queue, place] : places_) {
    const uint64_t now = queue->frames.get();
    moved[queue] = now - std::exchange(place.frames, now);
    frames[place.worker] += moved[queue];
  }
  const uint64_t now = __rdtsc();
  const uint64_t elapsed = now - std::exchange(measured_, now);
  for (size_t w = 0; w < size(); ++w) {
    members_[w]->measure(elapsed);
  }
  for (auto& [queue, place] : places_) {
    const uint64_t all = frames[place.worker];
    place.load = all == 0 ? 0
                          : members_[place.worker]->busy * static_cast<double>(moved[queue]) /
                                static_cast<double>(all);
  }
}

void Workers::each_second() {
  measure();
  if (placement_ == Placement::kAuto && is_uneven()) {
    even_out([](const Place& place) { return place.load; }, kLeastGain);
  }
}

bool Workers::is_uneven() const {
  double least = 1;
  double most = 0;
  for (size_t w = 0; w < size(); ++w) {
    if (members_[w]->in_service) {
      least = std::min(least, members_[w]->busy);
      most = std::max(most, members_[w]->busy);
    }
  }
  return most - least >= kUneven;
}

void Workers::spread() {
  even_out([](const Place&) { return 1.0; }, 1.0);
}

void Workers::even_out(double (*load)(const Place&), double gain) {
  for (;;) {
    std::vector<WorkerLoad> workers = loads();
    std::vector<QueueLoad> queues;
    std::vector<RxQueue*> order;
    for (const auto& [queue, place] : places_) {
      order.push_back(queue);
      queues.push_back({place.worker, place.node, load(place), place.by_hand});
      const auto own = std::ranges::find(workers, place.worker, &WorkerLoad::number);
      if (own != workers.end()) {
        own->load += load(place);
      }
    }
    const std::optional<Move> move = memswitch::even_out(workers, queues, gain);
    if (!move) {
      break;
    }
    send(*order[move->queue], places_.at(order[move->queue]), move->to);
  }
  await_arrivals();
}

std::vector<WorkerState> Workers::states() const {
  std::vector<WorkerState> list;
  for (size_t w = 0; w < size(); ++w) {
    const Member& member = *members_[w];
    if (!member.in_service) {
      continue;
    }
    WorkerState& state = list.emplace_back();
    state.number = member.worker.index;
    state.cpu = member.options.cpu;
    state.node = member.node;
    state.polling = member.options.polling;
    state.busy = member.busy;
    state.frames_per_burst = member.frames_per_burst;
    state.cycles_per_frame = member.cycles_per_frame;
    for (const auto& [queue, place] : places_) {
      if (place.worker == state.number) {
        state.queues.push_back(
            {place.port, place.number, queue->frames.get(), place.load, place.by_hand});
      }
    }
    std::ranges::sort(state.queues, {}, [](const QueueState& queue) {
      return std::pair{queue.port, queue.queue};
    });
  }
  return list;
}

}  // namespace memswitch
