// The workers of a switch: their counters, the queues each polls, and the threads that run them. A queue belongs to
// one worker from attach to detach.
//
// Threads: run() on the worker's own; everything else under the switch's lock.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "control/reclaim.h"
#include "control/status.h"
#include "dataplane/worker.h"

namespace memswitch {

struct WorkerOptions {
  int cpu = -1;  // -1: not pinned
  Polling polling = Polling::kAdaptive;
};

class Workers {
 public:
  Workers(const std::vector<WorkerOptions>& options, Shared& shared, Reclaim& reclaim);

  // Gives the queues to the workers that have the fewest. False: no worker can take another.
  [[nodiscard]] bool add(std::span<RxQueue* const> queues);
  // Takes them away; they may be freed when the reclaim has passed.
  void remove(std::span<RxQueue* const> queues);

  // Polls on the calling thread until stop().
  Status run(size_t worker);
  void stop();
  [[nodiscard]] bool running() const;

  [[nodiscard]] size_t size() const { return members_.size(); }
  [[nodiscard]] std::span<PortCounters> port_counters(size_t worker) {
    return members_[worker]->ports;
  }
  [[nodiscard]] WorkerCounters& counters(size_t worker) { return members_[worker]->own; }
  [[nodiscard]] Notices& notices(size_t worker) { return members_[worker]->worker.notices; }
  // A port's counters start again at zero. Only when no worker can still write them.
  void reset_counters(PortId port);

 private:
  struct Member {
    Member(uint16_t index, const WorkerOptions& how, Shared& shared)
        : options(how), worker(index, how.polling, shared, ports.data(), own) {}
    WorkerOptions options;
    std::vector<PortCounters> ports = std::vector<PortCounters>(kMaxPorts);
    WorkerCounters own;
    Worker worker;
    std::unique_ptr<const Plan> plan = std::make_unique<const Plan>();
    size_t queues = 0;  // in the plan
    std::atomic<bool> running{false};
  };

  void replace(Member& member, std::vector<RxQueue*> slots);

  Shared& shared_;
  Reclaim& reclaim_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace memswitch
