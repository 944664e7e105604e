#include "ports/vxlan.h"

#include "dataplane/fate.h"
#include "tables/bridge.h"

namespace memswitch {

namespace {

std::unique_ptr<VxlanAnswers> make_answers(const VxlanAnswers::Options& options,
                                           const Shared& shared) {
  return options.too_big || options.suppress ? std::make_unique<VxlanAnswers>(options, shared)
                                             : nullptr;
}

}  // namespace

VxlanPort::VxlanPort(PortId id, Bridge* home, uint32_t mac_limit, const Options& options,
                     Underlay& underlay, const Shared& shared)
    : Port(id, home, mac_limit),
      addresses(options.mac_table),
      vni_(options.vni),
      learn_remotes_(options.learn_remotes),
      underlay_(underlay),
      clock_(shared.clock),
      answers_(make_answers(options.answers, shared)) {
  apart = options.split_horizon ? kTunnels : uint8_t{0};
}

void VxlanPort::add_worker(uint16_t worker, PortCounters* of_ports) {
  if (!counters_[worker]) {
    counters_[worker] = std::make_unique<OfRemotes>();
    workers_ = std::max<uint16_t>(workers_, worker + 1U);
  }
  if (answers_) {
    answers_->add_worker(worker, of_ports);
  }
}

// Gathers what goes out, and hands it to the underlay as many at a time as a burst has frames.
class VxlanPort::Parcels {
 public:
  Parcels(VxlanPort& port, Burst& burst, uint16_t worker, PortCounters& counters)
      : port_(port), burst_(burst), worker_(worker), counters_(counters) {}

  // Or drops it, where the way is too narrow: it carries frames of at most `longest` bytes.
  void add(uint8_t frame, RemoteIndex remote, uint32_t longest) {
    if (burst_.frames[frame].length > longest) [[unlikely]] {
      refuse(frame, remote, longest);
      return;
    }
    if (count_ == parcels_.size()) {
      send();
    }
    parcels_[count_++] = {frame, remote};
  }
  void drop(uint8_t frame, Drop reason) { memswitch::drop(burst_, frame, reason, counters_); }
  void send() {
    if (count_ > 0) {
      port_.underlay_.send(burst_, {parcels_.data(), count_}, port_, worker_, counters_);
      count_ = 0;
    }
  }

 private:
  void refuse(uint8_t frame, RemoteIndex remote, uint32_t longest) {
    drop(frame, Drop::kTooLong);
    port_.counters_of(remote, worker_).drops.add(1);
    if (port_.answers_ != nullptr) {
      port_.answers_->tell_too_big(burst_, frame, longest, port_, worker_);
    }
  }

  VxlanPort& port_;
  Burst& burst_;
  const uint16_t worker_;
  PortCounters& counters_;
  size_t count_ = 0;
  std::array<Parcel, kBurst> parcels_;
};

RemoteIndex VxlanPort::remote_of(Mac destination) const {
  if (is_group(destination)) {
    return kNoRemote;
  }
  const RemoteIndex remote = addresses.find(destination, addresses.hash(destination));
  return remote != kNoRemote && remotes[remote].is_known() ? remote : kNoRemote;
}

// RFC 7348, 4.2 floods by multicast; a copy to each remote does without it.
void VxlanPort::send_to_all(Burst& burst, uint8_t frame, Parcels& parcels, PortCounters& counters) {
  const std::vector<RemoteIndex>* all = flood.load(std::memory_order_acquire);
  if (all == nullptr || all->empty()) {
    parcels.drop(frame, Drop::kNoRemote);
    return;
  }
  if (all->size() > 1) {
    burst.frames[frame].shared = true;
  }
  for (const RemoteIndex remote : *all) {
    parcels.add(frame, remote, remotes[remote].longest.load(std::memory_order_relaxed));
  }
  counters.copies.add(all->size() - 1);
}

void VxlanPort::transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                         PortCounters& counters) {
  Parcels parcels(*this, burst, worker, counters);
  Mac last = 0;
  RemoteIndex remote = kNoRemote;
  uint32_t longest = 0;
  for (const uint8_t frame : which) {
    if (burst.destination(frame) != last) {
      last = burst.destination(frame);
      remote = remote_of(last);
      longest = remotes[remote].longest.load(std::memory_order_relaxed);
    }
    if (remote != kNoRemote) {
      parcels.add(frame, remote, longest);
    } else if (answers_ == nullptr || !answers_->reply(burst, frame, *this, worker)) {
      send_to_all(burst, frame, parcels, counters);
    }
  }
  parcels.send();
}

RemoteIndex VxlanPort::sender(const IpAddress& source) {
  const RemoteIndex known = remotes.find(source);
  if (known != kNoRemote || !learn_remotes_ || source.is_unspecified() || source.is_multicast()) {
    return known;
  }
  return remotes.learn(source);
}

void VxlanPort::learn(RemoteIndex remote, Mac source) {
  const uint16_t now = clock_.load(std::memory_order_relaxed);
  Remote& from = remotes[remote];
  // Written once a second at most: a line that every frame dirtied would travel between workers.
  if (from.heard.load(std::memory_order_relaxed) != now ||
      !from.heard_once.load(std::memory_order_relaxed)) {
    from.heard.store(now, std::memory_order_relaxed);
    from.heard_once.store(true, std::memory_order_relaxed);
  }
  const Bridge* of = bridge.load(std::memory_order_acquire);
  if (of == nullptr || !of->learn.load(std::memory_order_relaxed) || is_group(source) ||
      source == 0) {
    return;
  }
  const MacTable::Learn learned =
      addresses.learn(source, addresses.hash(source), remote, addresses_quota, now);
  if (learned.result == MacTable::Learned::kMoved) {
    addresses_quota.give_back();
  }
}

}  // namespace memswitch
