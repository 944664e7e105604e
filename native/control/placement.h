// Which worker polls which queue: rules without state, so that they can be tested on machines that nobody has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace memswitch {

inline constexpr int kNoNode = -1;

// A worker as the rules see it. `load` is in whatever the loads of queues are in.
struct WorkerLoad {
  uint16_t number = 0;
  int node = kNoNode;  // NUMA node of its CPU; kNoNode: unknown, or not pinned
  size_t queues = 0;
  double load = 0;
};

struct QueueLoad {
  uint16_t worker = 0;
  int node = kNoNode;  // of the device it belongs to
  double load = 0;
  bool by_hand = false;  // stays where it was put
};

// The worker for one more queue of that node: among those on the node, or among all when none is there, the one with the
// fewest queues. Of none: kNoWorker.
inline constexpr uint16_t kNoWorker = UINT16_MAX;
uint16_t place(std::span<const WorkerLoad> workers, int node);

// The one move that lowers the load of the busiest worker most, if by at least `gain`. No queue leaves its node while that
// has a worker. With a gain above zero and loads that stand still, moves come to an end.
struct Move {
  size_t queue;  // index
  uint16_t to;
};
std::optional<Move> even_out(std::span<const WorkerLoad> workers, std::span<const QueueLoad> queues,
                             double gain);

}  // namespace memswitch
