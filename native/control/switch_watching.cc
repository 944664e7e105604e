// Those who look on at ports: captures and mirrors; and who asks where a frame would go.
#include "control/switch.h"

namespace memswitch {

using Guard = std::lock_guard<std::mutex>;

// Puts together anew who looks on at the port.
void Switch::watch_port(PortId id) {
  const auto found = ports_.find(id);
  if (found == ports_.end()) {
    return;
  }
  Record& record = found->second;
  auto captures = captures_.of(id);
  auto mirrors = mirrors_.of(id);
  std::unique_ptr<const Watch> next;
  if (!captures.empty() || !mirrors.empty()) {
    next = std::make_unique<const Watch>(id, std::move(captures), std::move(mirrors));
  }
  record.port->watch.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(record.watch, std::move(next)));
}

// --- captures ------------------------------------------------------------------------------------------------------

Status Switch::add_capture(const CaptureOptions& options, uint32_t& id) {
  const Guard guard(lock_);
  for (const CaptureOptions::Interface& one : options.ports) {
    Record* record = nullptr;
    if (Status status = need_port(one.port, record); !status.ok()) {
      return status;
    }
  }
  Status status = captures_.add(options, static_cast<uint16_t>(workers_.size()), id);
  if (status.ok()) {
    for (const CaptureOptions::Interface& one : options.ports) {
      watch_port(one.port);
    }
  }
  return status;
}

std::shared_ptr<CaptureReader> Switch::capture(uint32_t id) {
  const Guard guard(lock_);
  return captures_.find(id);
}

void Switch::remove_capture(uint32_t id) {
  const Guard guard(lock_);
  for (const PortId port : captures_.remove(id)) {
    watch_port(port);
  }
}

std::vector<CaptureStatus> Switch::captures(CaptureStatus& total) {
  const Guard guard(lock_);
  total = captures_.total();
  return captures_.status();
}

// --- explanations --------------------------------------------------------------------------------------------------

Status Switch::explain(PortId port, std::span<const std::byte> frame, Explanation& found) {
  const Guard guard(lock_);
  Record* in = nullptr;
  if (Status status = need_port(port, in); !status.ok()) {
    return status;
  }
  found = memswitch::explain(shared_, *in->port, frame);
  Mac destination = 0;
  std::memcpy(&destination, frame.data(), std::min<size_t>(frame.size(), 6));
  for (Explanation::Way& way : found.ways) {
    const auto to = ports_.find(way.port);
    if (to == ports_.end()) {
      continue;
    }
    if (!way.drop && !is_up(way.port, to->second)) {
      way.drop = Drop::kLinkDown;
    }
    if (const Tunnel* tunnel = vxlan_.find(way.port)) {
      way.remote = tunnel->remote_of(destination);
    }
  }
  return {};
}

// --- mirrors -------------------------------------------------------------------------------------------------------

// Copies go where nothing comes from, so that they cannot come back: no port is both, and a tunnel is not given copies
// of the port that carries it.
Status Switch::check_mirror(const MirrorOptions& options) {
  Record* to = nullptr;
  if (Status status = need_port(options.to, to); !status.ok()) {
    return status;
  }
  if (vxlan_.carries(options.to)) {
    return refuse(Code::kInUse, "the port that copies go to is the underlay of a tunnel");
  }
  if (mirrors_.copies_from(options.to) || options.from.contains(options.to)) {
    return refuse(Code::kInvalid,
                  "the port that copies go to is itself mirrored; choose another for them");
  }
  for (const PortId from : options.from) {
    Record* record = nullptr;
    if (Status status = need_port(from, record); !status.ok()) {
      return status;
    }
    if (mirrors_.copies_to(from)) {
      return refuse(Code::kInvalid, "one of the mirrored ports gets the copies of another mirror");
    }
    if (vxlan_.is_over(options.to, from)) {
      return refuse(Code::kInvalid,
                    "copies cannot go into a tunnel over one of the mirrored ports");
    }
  }
  return {};
}

Status Switch::add_mirror(const MirrorOptions& options, uint32_t& id) {
  const Guard guard(lock_);
  if (Status status = check_mirror(options); !status.ok()) {
    return status;
  }
  Record& to = ports_.at(options.to);
  if (!mirrors_.copies_to(options.to)) {
    to.port->gets_copies.store(true);
    leave_bridge(options.to, to);
  }
  id = mirrors_.add(options, *to.port);
  update_members(*to.bridge);
  for (const PortId port : options.from) {
    watch_port(port);
  }
  return {};
}

Status Switch::join_mirror(uint32_t id, PortId port) {
  const Guard guard(lock_);
  const MirrorOptions* found = mirrors_.find(id);
  if (found == nullptr) {
    return refuse(Code::kNotFound, "no such mirror");
  }
  MirrorOptions next = *found;
  next.from = {port};
  Status status = check_mirror(next);
  if (status.ok()) {
    mirrors_.join(id, port);
    watch_port(port);
  }
  return status;
}

Status Switch::remove_mirror(uint32_t id) {
  const Guard guard(lock_);
  const MirrorOptions* found = mirrors_.find(id);
  if (found == nullptr) {
    return refuse(Code::kNotFound, "no such mirror");
  }
  const MirrorOptions options = *found;
  mirrors_.remove(id);
  for (const PortId port : options.from) {
    watch_port(port);
  }
  if (!mirrors_.copies_to(options.to)) {
    Record& to = ports_.at(options.to);
    to.port->gets_copies.store(false);
    return_to_bridge(to);
  }
  return {};
}

std::vector<MirrorStatus> Switch::mirrors() {
  const Guard guard(lock_);
  return mirrors_.status();
}

}  // namespace memswitch
