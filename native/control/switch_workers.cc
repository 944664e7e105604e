// The workers of a switch, as far as they are more than a matter of Workers.
#include <thread>

#include "control/switch.h"

namespace memswitch {

Status Switch::add_worker(const WorkerOptions& options, uint16_t& number) {
  const std::lock_guard guard(lock_);
  if (Status status = workers_.add_worker(options, number); !status.ok()) {
    return status;
  }
  vxlan_.add_worker(number);
  captures_.add_worker(number);
  mirrors_.add_worker(number);
  update_senders();
  if (await_quiescence()) {
    return {};
  }
  static_cast<void>(workers_.remove_worker(number));
  return refuse(Code::kSystem,
                "the workers do not get round; see whether their CPUs are overloaded");
}

void Switch::update_senders() {
  for (const auto& [id, record] : ports_) {
    record.port->senders.store(workers_.in_service());
  }
}

// Every worker has passed since: none is in the middle of what it did by old numbers.
bool Switch::await_quiescence() {
  const auto passed = std::make_shared<bool>(false);
  reclaim_.later([passed] { *passed = true; });
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (reclaim_.run(), !*passed && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  return *passed;
}

Status Switch::set_worker(uint16_t number, const WorkerOptions& options) {
  const std::lock_guard guard(lock_);
  return workers_.set_worker(number, options);
}

Status Switch::remove_worker(uint16_t number) {
  const std::lock_guard guard(lock_);
  Status status = workers_.remove_worker(number);
  if (status.ok()) {
    reclaim_.later([this] { update_senders(); });
  }
  return status;
}

void Switch::spread_queues() {
  const std::lock_guard guard(lock_);
  workers_.spread();
}

void Switch::set_placement(Placement placement) {
  const std::lock_guard guard(lock_);
  workers_.set_placement(placement);
}

Status Switch::move_queue(PortId port, uint16_t queue, uint16_t worker) {
  const std::lock_guard guard(lock_);
  return closed_ ? refuse(Code::kClosed, "the switch is closed")
                 : workers_.move(port, queue, worker);
}

Status Switch::place_port(PortId id, std::vector<uint16_t> workers) {
  const std::lock_guard guard(lock_);
  Record* record = nullptr;
  if (Status status = need_port(id, record); !status.ok()) {
    return status;
  }
  Status status = workers_.place_port(id, workers);
  if (status.ok()) {
    record->workers = std::move(workers);
  }
  return status;
}

Status Switch::set_polling(PortId id, std::optional<Polling> polling) {
  const std::lock_guard guard(lock_);
  Record* record = nullptr;
  Status status = need_port(id, record);
  if (status.ok()) {
    record->polling = polling;
    workers_.set_polling(id, polling);
  }
  return status;
}

std::vector<WorkerState> Switch::worker_states() {
  const std::lock_guard guard(lock_);
  return workers_.states();
}

}  // namespace memswitch
