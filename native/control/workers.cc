#include "control/workers.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "dataplane/pollset.h"
#include "memif/doorbell.h"

namespace memswitch {

namespace {

void wake(const Worker& worker) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(worker.mailbox_fd.get(), &one, sizeof one);
}

std::string name_of(uint16_t worker) {
  return "worker " + std::to_string(worker);
}

}  // namespace

// --- workers -------------------------------------------------------------------------------------------------------

Workers::Workers(const std::vector<WorkerOptions>& options, Shared& shared, Reclaim& reclaim,
                 NodeOfCpu node_of)
    : shared_(shared), reclaim_(reclaim), node_of_(std::move(node_of)) {
  for (const WorkerOptions& how : options) {
    uint16_t number = 0;
    static_cast<void>(add_worker(how, number));  // there are at most kMaxWorkers
  }
}

Status Workers::need(uint16_t number, Member*& member) {
  if (number >= size() || !members_[number]->in_service) {
    return refuse(Code::kNotFound, "there is no " + name_of(number));
  }
  member = members_[number].get();
  return {};
}

Status Workers::add_worker(const WorkerOptions& options, uint16_t& number) {
  if (stopped_.load()) {
    return refuse(Code::kClosed, "the switch is closed");
  }
  const auto made = static_cast<uint16_t>(size());
  number = 0;
  while (number < made && (members_[number]->in_service || members_[number]->running.load())) {
    ++number;
  }
  if (number == kMaxWorkers) {
    return refuse(Code::kLimit, "a switch has at most " + std::to_string(kMaxWorkers) + " workers");
  }
  if (number == made) {
    members_[number] = std::make_unique<Member>(number, shared_);
    members_[number]->worker.plan.store(members_[number]->plan.get());
  }
  begin(*members_[number], options);
  made_.store(std::max<size_t>(made, number + 1U), std::memory_order_release);
  return {};
}

void Workers::begin(Member& member, const WorkerOptions& options) {
  member.options = options;
  static_cast<void>(member.pin.move(options.cpu));  // nobody is in
  member.node = node_of_(options.cpu);
  member.in_service = true;
  member.worker.stop.store(stopped_.load());
  replace(member, {});
}

Status Workers::set_worker(uint16_t number, const WorkerOptions& options) {
  Member* member = nullptr;
  if (Status status = need(number, member); !status.ok()) {
    return status;
  }
  if (options.cpu != member->options.cpu && !member->pin.move(options.cpu)) {
    return system_error(name_of(number) + ": pin to CPU " + std::to_string(options.cpu));
  }
  member->options = options;
  member->node = node_of_(options.cpu);
  replace(*member, member->plan->slots);
  return {};
}

Status Workers::remove_worker(uint16_t number) {
  Member* member = nullptr;
  if (Status status = need(number, member); !status.ok()) {
    return status;
  }
  member->in_service = false;
  if (loads().empty()) {
    member->in_service = true;
    return refuse(Code::kInUse, "the last worker cannot be removed; close the switch instead");
  }
  for (auto& [queue, place] : places_) {
    if (place.worker == number) {
      const uint16_t to = choose({.node = place.node}, 0);
      if (to == kNoWorker) {
        member->in_service = true;
        return refuse(Code::kLimit, "the other workers have too many queues");
      }
      place.by_hand = false;
      send(*queue, place, to);
    }
  }
  await_arrivals();
  member->worker.stop.store(true);
  wake(member->worker);
  return {};
}

Status Workers::run(size_t worker) {
  Member& member = *members_[worker];
  if (member.running.exchange(true)) {
    return refuse(Code::kInUse, name_of(member.worker.index) + " runs already");
  }
  Status status;
  // Here rather than in the poll loop.
  cycles_per_second();
  memif::prepare_doorbells();
  if (member.pin.enter()) {
    pthread_setname_np(pthread_self(), ("msw-worker" + std::to_string(worker)).c_str());
    poll(member.worker);
    member.pin.leave();
  } else {
    status = system_error(name_of(member.worker.index) + ": pin to CPU " +
                          std::to_string(member.pin.cpu()));
  }
  member.running.store(false);
  return status;
}

void Workers::stop() {
  stopped_.store(true);
  for (size_t w = 0; w < size(); ++w) {
    members_[w]->worker.stop.store(true);
    wake(members_[w]->worker);
  }
}

uint16_t Workers::in_service() const {
  return static_cast<uint16_t>(
      std::count_if(members_.begin(), members_.begin() + static_cast<ptrdiff_t>(size()),
                    [](const auto& member) { return member->in_service; }));
}

bool Workers::running() const {
  return std::any_of(members_.begin(), members_.begin() + static_cast<ptrdiff_t>(size()),
                     [](const auto& member) { return member->running.load(); });
}

void Workers::reset_counters(PortId port) {
  for (size_t w = 0; w < size(); ++w) {
    members_[w]->ports[port].reset();
  }
}

void Workers::replace(Member& member, std::vector<RxQueue*> slots) {
  auto next = std::make_unique<const Plan>(
      Plan{member.plan->serial + 1, member.options.polling, std::move(slots)});
  member.worker.plan.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(member.plan, std::move(next)));
  wake(member.worker);
}

// --- queues --------------------------------------------------------------------------------------------------------

std::vector<WorkerLoad> Workers::loads() const {
  std::vector<WorkerLoad> list;
  for (size_t w = 0; w < size(); ++w) {
    const Member& member = *members_[w];
    if (member.in_service && member.queues < kMaxWorkerQueues) {
      list.push_back({member.worker.index, member.node, member.queues, 0});
    }
  }
  return list;
}

uint16_t Workers::choose(const QueueWish& wish, size_t queue) const {
  const std::vector<WorkerLoad> all = loads();
  if (!wish.workers.empty()) {
    const uint16_t wanted = wish.workers[queue % wish.workers.size()];
    if (std::ranges::count(all, wanted, &WorkerLoad::number) > 0) {
      return wanted;
    }
  }
  return place(all, wish.node);
}

bool Workers::add(std::span<RxQueue* const> queues, const QueueWish& wish) {
  uint16_t first = 0;
  for (size_t i = 0; i < queues.size(); ++i) {
    const uint16_t worker = choose(wish, i);
    if (worker == kNoWorker) {
      remove(queues.first(i));
      return false;
    }
    // Workers that take turns at the queues of each port so have transmit queues of their own.
    first = i == 0 ? worker : first;
    queues[i]->lane = static_cast<uint16_t>(first + i);
    places_[queues[i]] = {.port = queues[i]->port().id(),
                          .number = static_cast<uint16_t>(i),
                          .worker = worker,
                          .node = wish.node,
                          .by_hand = !wish.workers.empty()};
    ++members_[worker]->queues;
    take(*members_[worker], *queues[i]);
  }
  return true;
}

void Workers::remove(std::span<RxQueue* const> queues) {
  for (RxQueue* queue : queues) {
    const auto found = places_.find(queue);
    if (found == places_.end()) {
      continue;
    }
    Member& member = *members_[found->second.worker];
    --member.queues;
    if (found->second.journey == 0) {
      let_go(member, *queue);
    } else {
      --under_way_;
    }
    places_.erase(found);
  }
}

void Workers::take(Member& member, RxQueue& queue) {
  std::vector<RxQueue*> slots = member.plan->slots;
  auto free = std::ranges::find(slots, nullptr);
  if (free == slots.end()) {
    free = slots.insert(free, nullptr);
  }
  *free = &queue;
  queue.worker = member.worker.index;
  const auto slot = static_cast<uint32_t>(free - slots.begin());
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u32 = slot}};
  ::epoll_ctl(member.worker.sleep_fd.get(), EPOLL_CTL_ADD, queue.wake_fd(), &event);
  replace(member, std::move(slots));
}

void Workers::let_go(Member& member, RxQueue& queue) {
  std::vector<RxQueue*> slots = member.plan->slots;
  std::ranges::replace(slots, &queue, nullptr);
  // By hand: the peer holds the same eventfd, so closing ours would leave it in the set.
  ::epoll_ctl(member.worker.sleep_fd.get(), EPOLL_CTL_DEL, queue.wake_fd(), nullptr);
  replace(member, std::move(slots));
}

// --- moves ---------------------------------------------------------------------------------------------------------

Status Workers::move(PortId port, uint16_t number, uint16_t worker) {
  Member* member = nullptr;
  if (Status status = need(worker, member); !status.ok()) {
    return status;
  }
  const auto found = std::ranges::find_if(places_, [&](const auto& entry) {
    return entry.second.port == port && entry.second.number == number;
  });
  if (found == places_.end()) {
    return refuse(Code::kNotFound, "the port has no queue " + std::to_string(number) + " now");
  }
  if (found->second.worker != worker && member->queues == kMaxWorkerQueues) {
    return refuse(Code::kLimit, name_of(worker) + " has too many queues");
  }
  found->second.by_hand = true;
  send(*found->first, found->second, worker);
  await_arrivals();
  return {};
}

Status Workers::place_port(PortId port, const std::vector<uint16_t>& workers) {
  for (const uint16_t worker : workers) {
    Member* member = nullptr;
    if (Status status = need(worker, member); !status.ok()) {
      return status;
    }
  }
  for (auto& [queue, place] : places_) {
    if (place.port == port) {
      place.by_hand = !workers.empty();
      if (place.by_hand) {
        const uint16_t to = choose({.node = place.node, .workers = workers}, place.number);
        send(*queue, place, to == kNoWorker ? place.worker : to);
      }
    }
  }
  await_arrivals();
  return {};
}

// With a new plan all queues of a worker are active at first, and rest or park as they are to be waited for from then on.
void Workers::set_polling(PortId port, std::optional<Polling> polling) {
  std::array<bool, kMaxWorkers> concerned{};
  for (auto& [queue, place] : places_) {
    if (place.port == port) {
      queue->polling.store(polling, std::memory_order_relaxed);
      concerned[place.worker] = true;
    }
  }
  for (size_t w = 0; w < size(); ++w) {
    if (concerned[w]) {
      replace(*members_[w], members_[w]->plan->slots);
    }
  }
}

void Workers::send(RxQueue& queue, Place& place, uint16_t to) {
  if (place.worker == to) {
    return;
  }
  Member& from = *members_[place.worker];
  --from.queues;
  ++members_[to]->queues;
  place.worker = to;
  if (place.journey == 0) {
    let_go(from, queue);
    place.journey = ++journeys_;
    ++under_way_;
    reclaim_.later([this, moved = &queue, journey = place.journey] { arrive(moved, journey); });
  }
}

// By the journey's number: the queue may be gone, and another one lie in its place.
void Workers::arrive(RxQueue* queue, uint64_t journey) {
  const auto found = places_.find(queue);
  if (found != places_.end() && found->second.journey == journey) {
    found->second.journey = 0;
    --under_way_;
    take(*members_[found->second.worker], *queue);
  }
}

// Nobody polls a queue on its way, so it should not wait for the next tick.
void Workers::await_arrivals() {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (reclaim_.run(), under_way_ > 0 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

}  // namespace memswitch
