#include "control/mirrors.h"

#include <algorithm>

namespace memswitch {

uint32_t Mirrors::add(const MirrorOptions& options, Port& to) {
  auto mirror = std::make_shared<Mirror>();
  mirror->to = &to;
  mirror->rx = options.rx;
  mirror->tx = options.tx;
  for (size_t w = 0; w < workers_.size(); ++w) {
    mirror->lanes[w].to = &workers_.port_counters(w)[to.id()];
  }
  entries_[++last_] = {options, std::move(mirror)};
  return last_;
}

void Mirrors::add_worker(uint16_t worker) {
  for (auto& [id, entry] : entries_) {
    entry.mirror->lanes[worker].to = &workers_.port_counters(worker)[entry.options.to];
  }
}

const MirrorOptions* Mirrors::find(uint32_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.options;
}

void Mirrors::forget(PortId port) {
  for (auto& [id, entry] : entries_) {
    entry.options.from.erase(port);
  }
}

bool Mirrors::copies_to(PortId port) const {
  return std::ranges::any_of(entries_,
                             [port](const auto& one) { return one.second.options.to == port; });
}

bool Mirrors::copies_from(PortId port) const {
  return std::ranges::any_of(
      entries_, [port](const auto& one) { return one.second.options.from.contains(port); });
}

std::vector<std::shared_ptr<Mirror>> Mirrors::of(PortId port) const {
  std::vector<std::shared_ptr<Mirror>> found;
  for (const auto& [id, entry] : entries_) {
    if (entry.options.from.contains(port)) {
      found.push_back(entry.mirror);
    }
  }
  return found;
}

std::vector<MirrorStatus> Mirrors::status() const {
  std::vector<MirrorStatus> all;
  for (const auto& [id, entry] : entries_) {
    MirrorStatus one{.id = id, .frames = 0, .bytes = 0, .lost = 0};
    for (const Mirror::Lane& lane : entry.mirror->lanes) {
      one.frames += lane.frames.get();
      one.bytes += lane.bytes.get();
      one.lost += lane.lost.get();
    }
    all.push_back(one);
  }
  return all;
}

}  // namespace memswitch
