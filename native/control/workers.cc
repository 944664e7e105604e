#include "control/workers.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "dataplane/pollset.h"

namespace memswitch {

namespace {

void wake(const Worker& worker) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(worker.mailbox_fd.get(), &one, sizeof one);
}

// The calling thread, for as long as it polls; its former CPUs afterwards, for it is not ours.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    if (cpu < 0) {
      return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(cpu), &set);
    ok_ = ::sched_getaffinity(0, sizeof before_, &before_) == 0 &&
          ::sched_setaffinity(0, sizeof set, &set) == 0;
    restore_ = ok_;
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() {
    if (restore_) {
      ::sched_setaffinity(0, sizeof before_, &before_);
    }
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  cpu_set_t before_{};
  bool ok_ = true;
  bool restore_ = false;
};

}  // namespace

Workers::Workers(const std::vector<WorkerOptions>& options, Shared& shared, Reclaim& reclaim)
    : shared_(shared), reclaim_(reclaim) {
  for (const WorkerOptions& how : options) {
    members_.push_back(
        std::make_unique<Member>(static_cast<uint16_t>(members_.size()), how, shared));
    members_.back()->worker.plan.store(members_.back()->plan.get());
  }
}

void Workers::replace(Member& member, std::vector<RxQueue*> slots) {
  auto next = std::make_unique<const Plan>(Plan{member.plan->serial + 1, std::move(slots)});
  member.worker.plan.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(member.plan, std::move(next)));
  wake(member.worker);
}

bool Workers::add(std::span<RxQueue* const> queues) {
  for (size_t done = 0; done < queues.size(); ++done) {
    Member& member = **std::ranges::min_element(
        members_, {}, [](const auto& candidate) { return candidate->queues; });
    if (member.queues == kMaxWorkerQueues) {
      remove(queues.first(done));
      return false;
    }
    std::vector<RxQueue*> slots = member.plan->slots;
    auto free = std::ranges::find(slots, nullptr);
    if (free == slots.end()) {
      free = slots.insert(free, nullptr);
    }
    *free = queues[done];
    queues[done]->worker = member.worker.index;
    const auto slot = static_cast<uint32_t>(free - slots.begin());
    const int fd = queues[done]->wake_fd();
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u32 = slot}};
    ::epoll_ctl(member.worker.sleep_fd.get(), EPOLL_CTL_ADD, fd, &event);
    ++member.queues;
    replace(member, std::move(slots));
  }
  return true;
}

void Workers::remove(std::span<RxQueue* const> queues) {
  for (const auto& member : members_) {
    std::vector<RxQueue*> slots = member->plan->slots;
    size_t removed = 0;
    for (RxQueue* queue : queues) {
      if (const auto found = std::ranges::find(slots, queue); found != slots.end()) {
        *found = nullptr;
        ++removed;
        // By hand: the peer holds the same eventfd, so closing ours would leave it in the set.
        ::epoll_ctl(member->worker.sleep_fd.get(), EPOLL_CTL_DEL, queue->wake_fd(), nullptr);
      }
    }
    if (removed > 0) {
      member->queues -= removed;
      replace(*member, std::move(slots));
    }
  }
}

Status Workers::run(size_t worker) {
  Member& member = *members_[worker];
  if (member.running.exchange(true)) {
    return refuse(Code::kInUse, "worker " + std::to_string(worker) + " runs already");
  }
  Status status;
  cycles_per_second();  // measured here rather than in the poll loop
  {
    const Pinned pinned(member.options.cpu);
    if (pinned.ok()) {
      pthread_setname_np(pthread_self(), ("msw-worker" + std::to_string(worker)).c_str());
      poll(member.worker);
    } else {
      status = system_error("worker " + std::to_string(worker) + ": pin to CPU " +
                            std::to_string(member.options.cpu));
    }
  }
  member.running.store(false);
  return status;
}

void Workers::stop() {
  shared_.stop.store(true);
  for (const auto& member : members_) {
    wake(member->worker);
  }
}

bool Workers::running() const {
  return std::ranges::any_of(members_, [](const auto& member) { return member->running.load(); });
}

void Workers::reset_counters(PortId port) {
  for (const auto& member : members_) {
    member->ports[port].reset();
  }
}

}  // namespace memswitch
