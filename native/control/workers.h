// The workers of a switch: their counters, the threads that run them, and which queues each polls. A queue belongs to one
// worker at a time; it moves between two bursts: the old one lets go, passes a quiescent state, the new one takes. So no
// frame is lost, and none overtakes another: what chooses the transmit queue (RxQueue::lane) moves with it.
//
// Threads: run() on the worker's own; stop() on any; everything else under the switch's lock.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "control/pin.h"
#include "control/placement.h"
#include "control/reclaim.h"
#include "control/status.h"
#include "control/topology.h"
#include "dataplane/worker.h"

namespace memswitch {

struct WorkerOptions {
  int cpu = -1;  // -1: not pinned
  Polling polling = Polling::kAdaptive;
};

// Who chooses the worker of a queue that nobody placed by hand.
enum class Placement : uint8_t {
  kSpread,  // as it comes, the one with the fewest; it stays there
  kAuto,    // likewise, and moves when that evens out the measured load
};

// Where the queues of a port are to be polled.
struct QueueWish {
  int node = kNoNode;               // of the device
  std::vector<uint16_t> workers{};  // by hand: queue i by workers[i % size]
};

struct QueueState {
  PortId port = kNoPort;
  uint16_t queue = 0;  // of the port's
  uint64_t frames = 0;
  double load = 0;  // share of its worker's time, in the last second
  bool by_hand = false;
};

struct WorkerState {
  uint16_t number = 0;
  int cpu = -1;
  int node = kNoNode;
  Polling polling = Polling::kAdaptive;
  double busy = 0;  // share of the last second; the next two are its as well, 0 without frames
  double frames_per_burst = 0;
  double cycles_per_frame = 0;
  std::vector<QueueState> queues{};
};

class Workers {
 public:
  Workers(const std::vector<WorkerOptions>& options, Shared& shared, Reclaim& reclaim,
          NodeOfCpu node_of = node_of_cpu);

  // --- queues. False: no worker can take another.
  [[nodiscard]] bool add(std::span<RxQueue* const> queues, const QueueWish& wish = {});
  // Takes them away; they may be freed when the reclaim has passed.
  void remove(std::span<RxQueue* const> queues);
  // By hand.
  Status move(PortId port, uint16_t queue, uint16_t worker);
  // Likewise all the port's queues, in turn; empty: by rule from now on.
  Status place_port(PortId port, const std::vector<uint16_t>& workers);
  void set_placement(Placement placement) { placement_ = placement; }
  // How the port's queues are waited for, from now on; none: as each's worker does.
  void set_polling(PortId port, std::optional<Polling> polling);

  // --- workers. A new one has the lowest free number, and polls when somebody runs it.
  Status add_worker(const WorkerOptions& options, uint16_t& number);
  Status set_worker(uint16_t number, const WorkerOptions& options);
  // Others take its queues; then its run() returns.
  Status remove_worker(uint16_t number);
  // Gives workers that have fewer queues than others some of theirs.
  void spread();
  // Measures loads; with Placement::kAuto evens them out.
  void each_second();
  [[nodiscard]] std::vector<WorkerState> states() const;

  // Polls on the calling thread until it is told to end.
  Status run(size_t worker);
  void stop();
  [[nodiscard]] bool running() const;

  [[nodiscard]] uint16_t in_service() const;
  // All there ever were: a removed worker's counters stay, for they are part of the sums.
  [[nodiscard]] size_t size() const { return made_.load(std::memory_order_acquire); }
  [[nodiscard]] std::span<PortCounters> port_counters(size_t worker) {
    return members_[worker]->ports;
  }
  [[nodiscard]] WorkerCounters& counters(size_t worker) { return members_[worker]->own; }
  [[nodiscard]] Notices& notices(size_t worker) { return members_[worker]->worker.notices; }
  // A port's counters start again at zero. Only when no worker can still write them.
  void reset_counters(PortId port);

 private:
  // Shares of a second: loads that differ by less are even; a move that gains less is not made.
  static constexpr double kUneven = 0.05;
  static constexpr double kLeastGain = 0.005;
  // For a queue on its way; a worker needs a burst's time to let go, unless its CPU is taken from it.
  static constexpr std::chrono::milliseconds kPatience{100};

  struct Member {
    Member(uint16_t index, Shared& shared) : worker(index, shared, ports.data(), own) {}
    WorkerOptions options;
    int node = kNoNode;
    bool in_service = false;
    std::vector<PortCounters> ports = std::vector<PortCounters>(kMaxPorts);
    WorkerCounters own;
    Worker worker;
    std::unique_ptr<const Plan> plan = std::make_unique<const Plan>();
    size_t queues = 0;  // in the plan, or on their way to it
    std::atomic<bool> running{false};
    Pin pin;
    // When the load was last measured.
    uint64_t busy_cycles = 0;
    uint64_t frames = 0;
    uint64_t bursts = 0;
    double busy = 0;
    double frames_per_burst = 0;
    double cycles_per_frame = 0;

    void measure(uint64_t elapsed);
  };

  struct Place {
    PortId port;
    uint16_t number;  // of the port's queues
    uint16_t worker;
    int node;
    bool by_hand;
    uint64_t journey = 0;  // on its way to the worker; 0: there
    uint64_t frames = 0;   // when the load was last measured
    double load = 0;
  };

  Status need(uint16_t number, Member*& member);
  void begin(Member& member, const WorkerOptions& options);
  [[nodiscard]] uint16_t choose(const QueueWish& wish, size_t queue) const;
  [[nodiscard]] std::vector<WorkerLoad> loads() const;
  void replace(Member& member, std::vector<RxQueue*> slots);
  void take(Member& member, RxQueue& queue);
  void let_go(Member& member, RxQueue& queue);
  void send(RxQueue& queue, Place& place, uint16_t to);
  void arrive(RxQueue* queue, uint64_t journey);
  void await_arrivals();
  void measure();
  [[nodiscard]] bool is_uneven() const;
  void even_out(double (*load)(const Place&), double gain);

  Shared& shared_;
  Reclaim& reclaim_;
  const NodeOfCpu node_of_;
  Placement placement_ = Placement::kSpread;
  // Made once and never freed.
  std::array<std::unique_ptr<Member>, kMaxWorkers> members_;
  std::atomic<size_t> made_{0};
  std::atomic<bool> stopped_{false};
  std::unordered_map<RxQueue*, Place> places_;
  uint64_t journeys_ = 0;  // begun
  uint64_t measured_ = 0;  // when last, in cycles
  size_t under_way_ = 0;
};

}  // namespace memswitch
