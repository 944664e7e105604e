#include "control/captures.h"

#include <algorithm>
#include <bit>

namespace memswitch {

// --- one reader ----------------------------------------------------------------------------------------------------

CaptureReader::CaptureReader(std::shared_ptr<Capture> capture, const CaptureOptions& options)
    : capture_(std::move(capture)),
      writer_({.application = options.application,
               .filter = options.filter_text,
               .snaplen = options.snaplen}),
      count_(options.count) {
  for (const CaptureOptions::Interface& one : options.ports) {
    interfaces_[one.port] = writer_.add_interface(one.name, one.description);
  }
}

void CaptureReader::add_worker(uint16_t worker) {
  const std::lock_guard guard(lock_);
  const Capture::Options& options = capture_->options();
  if (capture_->lanes()[worker] == nullptr) {
    capture_->set_lane(worker, std::make_unique<Capture::Lane>(
                                   options.ring_bytes, options.filter.takes_all() ? 0 : kMaxFrame));
  }
}

// Of the rings' first records; several workers' are put into order as far as they are there.
CaptureRing* CaptureReader::oldest() const {
  CaptureRing* oldest = nullptr;
  uint64_t time = 0;
  for (const auto& lane : capture_->lanes()) {
    const CaptureRecord* record = lane ? lane->ring.front() : nullptr;
    if (record != nullptr && (oldest == nullptr || record->time < time)) {
      oldest = &lane->ring;
      time = record->time;
    }
  }
  return oldest;
}

uint64_t CaptureReader::lost() const {
  uint64_t lost = 0;
  for (const auto& lane : capture_->lanes()) {
    lost += lane ? lane->ring.lost() : 0;
  }
  return lost;
}

bool CaptureReader::read(std::vector<std::byte>& to, size_t most) {
  const std::lock_guard guard(lock_);
  if (finished_) {
    return false;
  }
  if (!std::exchange(begun_, true)) {
    writer_.begin(to);
  }
  const bool ending = ending_;
  while (to.size() < most && (count_ == 0 || frames_ < count_)) {
    CaptureRing* ring = oldest();
    if (ring == nullptr) {
      break;
    }
    const CaptureRecord& record = *ring->front();
    if (const auto interface = interfaces_.find(record.port); interface != interfaces_.end()) {
      const uint64_t lost_now = lost();
      writer_.add(to, record, interface->second, lost_now - std::exchange(lost_told_, lost_now));
      ++frames_;
    }
    ring->pop();
  }
  if ((count_ != 0 && frames_ == count_) || (ending && oldest() == nullptr)) {
    finish(to);
  }
  return !finished_;
}

void CaptureReader::finish(std::vector<std::byte>& to) {
  writer_.end(to, frames_, lost());
  finished_ = true;
}

void CaptureReader::end() {
  const std::lock_guard guard(lock_);
  ending_ = true;
}

CaptureStatus CaptureReader::status() const {
  const std::lock_guard guard(lock_);
  return {.frames = frames_, .lost = lost()};
}

// --- all of them ---------------------------------------------------------------------------------------------------

Status Captures::add(const CaptureOptions& options, uint16_t workers, uint32_t& id) {
  if (entries_.size() == kMost) {
    return refuse(Code::kLimit, "a switch has at most " + std::to_string(kMost) +
                                    " captures at once; end one of them");
  }
  if (!options.filter.empty()) {
    if (const char* mistake = Filter::mistake(options.filter)) {
      return refuse(Code::kInvalid, std::string("the filter's program cannot be run: ") + mistake);
    }
  }
  Capture::Options taken{.snaplen = options.snaplen,
                         .rx = options.rx,
                         .tx = options.tx,
                         .only_drops = options.only_drops,
                         .ring_bytes = std::bit_ceil(options.ring_bytes),
                         .filter = Filter(options.filter)};
  auto capture = std::make_shared<Capture>(std::move(taken));
  Entry entry{.reader = std::make_shared<CaptureReader>(std::move(capture), options), .ports = {}};
  for (uint16_t w = 0; w < workers; ++w) {
    entry.reader->add_worker(w);
  }
  for (const CaptureOptions::Interface& one : options.ports) {
    entry.ports.insert(one.port);
  }
  id = ++last_;
  entries_.emplace(id, std::move(entry));
  return {};
}

void Captures::add_worker(uint16_t worker) {
  for (const auto& [id, entry] : entries_) {
    entry.reader->add_worker(worker);
  }
}

std::shared_ptr<CaptureReader> Captures::find(uint32_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.reader;
}

std::vector<PortId> Captures::remove(uint32_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return {};
  }
  const CaptureStatus last = found->second.reader->status();
  gone_.frames += last.frames;
  gone_.lost += last.lost;
  std::vector<PortId> ports(found->second.ports.begin(), found->second.ports.end());
  entries_.erase(found);
  return ports;
}

void Captures::forget(PortId port) {
  for (auto& [id, entry] : entries_) {
    if (entry.ports.erase(port) > 0 && entry.ports.empty()) {
      entry.reader->end();
    }
  }
}

std::vector<std::shared_ptr<const Capture>> Captures::of(PortId port) const {
  std::vector<std::shared_ptr<const Capture>> found;
  for (const auto& [id, entry] : entries_) {
    if (entry.ports.contains(port)) {
      found.push_back(entry.reader->capture());
    }
  }
  return found;
}

std::vector<CaptureStatus> Captures::status() const {
  std::vector<CaptureStatus> all;
  for (const auto& [id, entry] : entries_) {
    all.push_back(entry.reader->status());
    all.back().id = id;
  }
  return all;
}

CaptureStatus Captures::total() const {
  CaptureStatus sum = gone_;
  for (const CaptureStatus& one : status()) {
    sum.frames += one.frames;
    sum.lost += one.lost;
  }
  return sum;
}

}  // namespace memswitch
