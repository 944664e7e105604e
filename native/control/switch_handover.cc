// One process takes the place of another: the peers of memif ports do not notice, and what lies in their rings goes on from
// where it is.
#include <thread>

#include "control/switch.h"

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

Status Switch::hand_over(const std::string& socket, std::string note) {
  if (Status status = reach_heir(socket, heir_); !status.ok()) {
    return status;
  }
  // Each ends with its burst: no frame is half-way any more, and the rings say where the next process begins.
  workers_.stop();
  while (workers_.running()) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  const Guard guard(lock_);
  const auto link_of = [this](PortId id) -> const memif::Link& {
    return ports_.at(id).link->memory();
  };
  return send_handover(heir_, {.listeners = server_.give_away(link_of), .note = std::move(note)});
}

void Switch::inherit(Handover handover) {
  const Guard guard(lock_);
  server_.inherit(std::move(handover.listeners));
}

// No queue is polled before every link is there: frames between two of them would be dropped.
uint32_t Switch::adopt() {
  const Guard guard(lock_);
  adopting_ = true;
  server_.adopt();
  adopting_ = false;
  uint32_t count = 0;
  std::vector<PortId> too_many;
  for (auto& [id, record] : ports_) {
    if (record.link == nullptr || record.is_polled) {
      continue;
    }
    record.is_polled = poll_link(record);
    if (record.is_polled) {
      record.link->wake_peer();
      ++count;
    } else {
      too_many.push_back(id);
    }
  }
  for (const PortId id : too_many) {
    server_.disconnect(id, "the workers have too many queues");
  }
  return count;
}

}  // namespace memswitch
