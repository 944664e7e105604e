// One process takes the place of another: the peers of memif ports do not notice, and what lies in their rings goes on from
// where it is.
#include "control/switch.h"

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

// Of peers that another process could have.
std::vector<Switch::Record*> Switch::served_links() {
  std::vector<Record*> found;
  for (auto& [id, record] : ports_) {
    if (record.link && server_.serves(id)) {
      found.push_back(&record);
    }
  }
  return found;
}

// Nothing comes in any more, then nothing goes out: what was under way has arrived, and the rings say where to go on.
bool Switch::let_go_of_links() {
  for (Record* record : served_links()) {
    workers_.remove(queues_of(*record->link));
    record->is_polled = false;
  }
  if (!await_quiescence()) {
    return false;
  }
  for (const Record* record : served_links()) {
    record->memif->link.store(nullptr);
  }
  return await_quiescence();
}

// First all links, then the queues, as in adopt().
void Switch::take_links_back() {
  for (const Record* record : served_links()) {
    record->memif->link.store(record->link.get());
  }
  for (Record* record : served_links()) {
    record->is_polled = poll_link(*record);  // there was room before
    record->link->wake_peer();
  }
}

void Switch::forget_links() {
  for (Record* record : served_links()) {
    reclaim_.retire(std::move(record->link));
    update_members(*record->bridge);
  }
  server_.surrender();
}

Status Switch::hand_over(const std::string& socket, const std::string& note) {
  const Guard guard(lock_);
  if (closed_ || heir_) {
    return refuse(Code::kClosed, "the switch is closed, or was handed over before");
  }
  UniqueFd heir;
  if (Status status = reach_heir(socket, heir); !status.ok()) {
    return status;
  }
  Status status =
      let_go_of_links()
          ? tell_note(heir, note)
          : refuse(Code::kSystem,
                   "the workers do not get round; see whether their CPUs are overloaded");
  if (status.ok()) {
    status = server_.bequeath(
        heir, [this](PortId id) -> const memif::Link& { return ports_.at(id).link->memory(); });
  }
  if (status.ok()) {
    status = conclude(heir);
  }
  if (!status.ok()) {
    take_links_back();
    return status;
  }
  forget_links();
  heir_ = std::move(heir);
  return {};
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
