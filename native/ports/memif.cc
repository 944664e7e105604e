#include "ports/memif.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "dataplane/fate.h"

namespace memswitch {

using memif::Fault;

bool MemifRxQueue::receive(Burst& burst) {
  if (link_.fault() != Fault::kNone) [[unlikely]] {
    return false;
  }
  if (memif::available(ring_) == 0) {
    return false;
  }
  const Fault fault = memif::receive(ring_, link_.regions(), burst);
  if (fault != Fault::kNone) [[unlikely]] {
    link_.fail(fault);
  }
  if (ip_) [[unlikely]] {
    ip_->add_headers(burst);
  }
  return burst.count > 0;
}

void MemifRxQueue::release(const Burst& burst) {
  memif::release(ring_, burst.slots);
}

bool MemifRxQueue::arm() {
  // An exchange is a full fence: the mask is clear for everybody before we look at the index.
  std::atomic_ref<uint16_t>(*ring_.flags).exchange(0, std::memory_order_seq_cst);
  return memif::available(ring_) != 0 && link_.fault() == Fault::kNone;
}

void MemifRxQueue::disarm() {
  memif::store_release(ring_.flags, memif::kRingMaskInterrupt);
}

MemifLink::MemifLink(Port& port, memif::Link link, int alarm_fd,
                     const std::optional<IpStation>& station)
    : port_(port), link_(std::move(link)), alarm_fd_(alarm_fd) {
  for (const memif::Region& region : link_.regions) {
    views_.push_back({region.base(), region.size()});
  }
  regions_ = {views_.data(), static_cast<uint32_t>(views_.size())};
  for (const memif::Ring& ring : link_.rx) {
    rx_.push_back(std::make_unique<MemifRxQueue>(port, *this, ring, station));
    rx_.back()->disarm();
  }
  for (const memif::Ring& ring : link_.tx) {
    tx_.push_back(std::make_unique<MemifTxQueue>(ring, station));
  }
}

void MemifLink::fail(Fault fault) {
  Fault none = Fault::kNone;
  if (fault_.compare_exchange_strong(none, fault, std::memory_order_acq_rel)) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(alarm_fd_, &one, sizeof one);
  }
}

void MemifLink::look_for_losses() {
  if (std::ranges::any_of(link_.regions, &memif::Region::lost)) {
    fail(Fault::kLostMemory);
  }
}

namespace {

constexpr auto kWholeBurst = [] {
  std::array<uint8_t, kBurst> indexes{};
  std::iota(indexes.begin(), indexes.end(), uint8_t{0});
  return indexes;
}();

}  // namespace

void MemifLink::transmit(Burst& burst, std::span<const uint8_t> which, PortCounters& counters) {
  if (fault() != Fault::kNone) [[unlikely]] {
    drop(burst, which, Drop::kLinkDown, counters);
    return;
  }
  MemifTxQueue& queue = *tx_[burst.lane % tx_.size()];
  // A worker that is alone takes no turn. That is a full fence, which waits for the last burst's stores to
  // lines of other cores: without it 64-byte frames were 8 % faster.
  const bool shared = port_.senders.load(std::memory_order_relaxed) > 1;
  if (shared && !queue.turn.take()) [[unlikely]] {
    drop(burst, which, Drop::kQueueBusy, counters);
    return;
  }
  Burst* frames = &burst;
  const uint8_t* indexes = which.data();
  if (queue.ip) [[unlikely]] {
    frames = &queue.ip->strip_headers(burst, which, counters);
    indexes = kWholeBurst.data();
  }
  const auto count = static_cast<uint16_t>(which.size());
  const memif::Transmitted sent = memif::transmit(queue.ring, regions_, *frames, indexes, count);
  if (shared) {
    queue.turn.give_back();
  }

  counters.tx_frames.add(sent.frames);
  counters.tx_bytes.add(sent.bytes + (queue.ip ? uint64_t{sent.frames} * IpMode::kHeader : 0));
  if (sent.frames != count) [[unlikely]] {
    const bool failed = sent.fault != Fault::kNone;
    counters.drop(Drop::kNoRoom, sent.no_room);
    if (queue.ip) {
      queue.ip->pass_on_fates(burst, which);
    }
    drop(burst, which.subspan(sent.done), failed ? Drop::kLinkDown : Drop::kRingFull, counters);
    if (failed) {
      fail(sent.fault);
    }
  }
  if (sent.frames > 0) {
    const bool wanted = memif::wants_doorbell(queue.ring);
    queue.unrung.store(!wanted, std::memory_order_relaxed);
    if (wanted) {
      memif::ring_doorbell(queue.ring);
    }
  }
}

void MemifLink::settle() {
  for (const auto& queue : tx_) {
    if (queue->unrung.load(std::memory_order_relaxed) && memif::wants_doorbell(queue->ring)) {
      queue->unrung.store(false, std::memory_order_relaxed);
      memif::ring_doorbell(queue->ring);
    }
  }
}

void MemifLink::wake_peer() {
  for (const auto& queue : tx_) {
    if (memif::wants_doorbell(queue->ring)) {
      memif::ring_doorbell(queue->ring);
    }
  }
}

std::vector<RxQueue*> queues_of(const MemifLink& link) {
  std::vector<RxQueue*> queues;
  for (const auto& queue : link.rx()) {
    queues.push_back(queue.get());
  }
  return queues;
}

void MemifPort::transmit(Burst& burst, std::span<const uint8_t> which, uint16_t /*worker*/,
                         PortCounters& counters) {
  if (MemifLink* now = link.load(std::memory_order_acquire)) [[likely]] {
    now->transmit(burst, which, counters);
  } else {
    drop(burst, which, Drop::kLinkDown, counters);
  }
}

bool MemifPort::settle(uint16_t /*worker*/, PortCounters& /*counters*/) {
  if (MemifLink* now = link.load(std::memory_order_acquire)) {
    now->settle();
  }
  return true;
}

}  // namespace memswitch
