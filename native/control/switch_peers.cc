// Peers of memif ports: come, gone, refused, or found to break the rules.
#include <unistd.h>

#include "control/switch.h"

namespace memswitch {

memif::Reason Switch::attached(PortId id, memif::Link link, memif::PeerCredentials peer) {
  Record& record = ports_.at(id);
  record.link =
      std::make_unique<MemifLink>(*record.port, std::move(link), alarm_.get(), record.station);
  for (RxQueue* queue : queues_of(*record.link)) {
    queue->polling = record.polling;
  }
  record.credentials = peer;
  ++record.attaches;
  record.memif->link.store(record.link.get());
  record.is_polled = !adopting_ && poll_link(record);
  if (!record.is_polled && !adopting_) {
    record.memif->link.store(nullptr);
    reclaim_.retire(std::move(record.link));
    return {memif::Fault::kRefused, "the workers have too many queues"};
  }
  update_members(*record.bridge);
  tell_({.kind = Event::Kind::kLinkUp, .port = id, .text = record.link->peer()});
  return {};
}

bool Switch::poll_link(Record& record) {
  return workers_.add(queues_of(*record.link), {.workers = record.workers});
}

void Switch::detached(PortId id, const std::string& reason) {
  Record& record = ports_.at(id);
  record.memif->link.store(nullptr);
  workers_.remove(queues_of(*record.link));
  reclaim_.retire(std::move(record.link));
  update_members(*record.bridge);
  record.last_error = reason;
  tell_({.kind = Event::Kind::kLinkDown, .port = id, .text = reason});
}

void Switch::refused(PortId id, const memif::Reason& reason) {
  Record& record = ports_.at(id);
  ++record.protocol_errors[static_cast<size_t>(reason.fault)];
  ++record.refusals;
  record.last_error = reason.text;
  tell_({.kind = Event::Kind::kProtocolError,
         .port = id,
         .fault = reason.fault,
         .text = reason.text});
}

void Switch::look_for_faults() {
  uint64_t alarms = 0;
  [[maybe_unused]] const ssize_t taken = ::read(alarm_.get(), &alarms, sizeof alarms);
  std::vector<std::pair<PortId, memif::Fault>> found;
  for (const auto& [id, record] : ports_) {
    if (record.link) {
      record.link->look_for_losses();
    }
    if (record.link && record.link->fault() != memif::Fault::kNone) {
      found.emplace_back(id, record.link->fault());
    }
  }
  for (const auto& [id, fault] : found) {
    refused(id, memif::Reason(fault));
    server_.expel(id, memif::words(fault));
    client_.disconnect(id, memif::words(fault));
  }
  look_at_devices();
}

}  // namespace memswitch
