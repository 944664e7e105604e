#include "ports/vxlan_answers.h"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

#include "dataplane/copy.h"
#include "dataplane/pieces.h"
#include "dataplane/watch.h"
#include "ports/vxlan.h"
#include "tables/bridge.h"
#include "vxlan/neighbor.h"
#include "vxlan/too_big.h"

namespace memswitch {

struct VxlanAnswers::Scratch {
  std::array<std::byte, vxlan::kTooBigHead> head;
  std::array<std::byte, vxlan::kMaxTooBig> frame;
  Burst burst;
  PortCounters* counters = nullptr;  // of all ports
  uint16_t second = 0;
  uint16_t told = 0;  // errors, in that second
};

VxlanAnswers::VxlanAnswers(const Options& options, const Shared& shared)
    : options_(options), shared_(shared) {}

void VxlanAnswers::add_worker(uint16_t worker, PortCounters* of_ports) {
  if (!scratch_[worker]) {
    scratch_[worker] = std::make_unique<Scratch>();
  }
  scratch_[worker]->counters = of_ports;
}

VxlanAnswers::~VxlanAnswers() = default;

bool VxlanAnswers::may_tell(Scratch& scratch) const {
  const uint16_t now = shared_.clock.load(std::memory_order_relaxed);
  if (scratch.second != now) {
    scratch.second = now;
    scratch.told = 0;
  }
  return scratch.told < kMostErrors;
}

void VxlanAnswers::tell_too_big(const Burst& burst, uint8_t f, uint32_t longest, VxlanPort& tunnel,
                                uint16_t worker) {
  Scratch& scratch = *scratch_[worker];
  if (!options_.too_big || !may_tell(scratch)) {
    return;
  }
  const uint32_t got = gather_judged(scratch.head.data(), vxlan::kTooBigHead, burst, f);
  const uint32_t length =
      vxlan::write_too_big(scratch.frame.data(), std::span(scratch.head).first(got), longest);
  if (length > 0) {
    ++scratch.told;
    scratch.burst.lane = burst.lane;
    send(burst.source(f), length, tunnel, worker);
  }
}

// Of IPv6 only answers: they alone tell whether the station is a router, and who said otherwise would take a host its
// default router (RFC 4861, 7.2.5).
void VxlanAnswers::listen(std::span<const std::byte> head, uint32_t length) {
  const auto message = vxlan::read_neighbor(head, length);
  if (!message || message->sender.address.is_unspecified() ||
      (!message->sender.address.is_ipv4() &&
       message->kind != vxlan::NeighborMessage::Kind::kAnswer)) {
    return;
  }
  Mac source = 0;
  std::memcpy(&source, head.data() + 6, 6);
  if (source == message->sender.mac) {
    neighbors_.put(message->sender.address, message->sender.vlan,
                   {source, message->router, shared_.clock.load(std::memory_order_relaxed)});
  }
}

bool VxlanAnswers::reply(const Burst& burst, uint8_t f, VxlanPort& tunnel, uint16_t worker) {
  const Bridge* bridge = tunnel.bridge.load(std::memory_order_acquire);
  if (!options_.suppress || bridge == nullptr) {
    return false;
  }
  std::array<std::byte, vxlan::kMaxNeighborFrame> head;
  const Frame& frame = burst.frames[f];
  const uint32_t got = gather_judged(head.data(), vxlan::kMaxNeighborFrame, burst, f);
  const auto message = vxlan::read_neighbor(std::span(head).first(got), frame.length);
  // Who asks for himself tells the others where he is now.
  if (!message || message->kind != vxlan::NeighborMessage::Kind::kQuestion ||
      message->sender.address == message->target || message->sender.mac != burst.source(f)) {
    return false;
  }
  const auto known = neighbors_.find(message->target, message->sender.vlan);
  const uint16_t ageing = bridge->ageing.load(std::memory_order_relaxed);
  const auto age = static_cast<uint16_t>(shared_.clock.load(std::memory_order_relaxed) -
                                         (known ? known->seen : 0));
  if (!known || (ageing != 0 && age > ageing) || !tunnel.is_behind(known->mac)) {
    return false;
  }
  Scratch& scratch = *scratch_[worker];
  const vxlan::Station station{message->target, known->mac, message->sender.vlan};
  const uint32_t length =
      vxlan::write_answer(scratch.frame.data(), station, message->sender, known->router);
  scratch_[worker]->counters[tunnel.id()].consumed.add(1);
  scratch.burst.lane = burst.lane;
  send(message->sender.mac, length, tunnel, worker);
  return true;
}

// A frame more than came in: a copy of this port's, which ends at the one that it leaves by.
void VxlanAnswers::send(Mac to, uint32_t length, VxlanPort& tunnel, uint16_t worker) {
  PortCounters& own = scratch_[worker]->counters[tunnel.id()];
  own.copies.add(1);
  const Bridge* bridge = tunnel.bridge.load(std::memory_order_acquire);
  const PortId id = bridge == nullptr ? kNoPort : bridge->macs.find(to, bridge->macs.hash(to));
  Port* port = shared_.ports[id].load(std::memory_order_acquire);
  if (port == nullptr || port == &tunnel ||
      port->bridge.load(std::memory_order_acquire) != bridge) {
    own.drop(Drop::kNoDestination);
    return;
  }
  PortCounters& counters = scratch_[worker]->counters[id];
  if (length > port->max_frame.load(std::memory_order_relaxed)) {
    counters.drop(Drop::kTooLong);
    return;
  }
  Scratch& scratch = *scratch_[worker];
  Burst& burst = scratch.burst;
  burst.count = 1;
  burst.frames[0] = Frame::whole(scratch.frame.data(), length);
  burst.longest = length;
  copy_short(burst.headers[0].data(), scratch.frame.data(), std::min(length, kHeaderBytes));
  burst.fate[0] = kUnderWay;
  constexpr std::array<uint8_t, 1> kThis{0};
  transmit_watched(*port, burst, kThis, worker, counters);
  // Answers are few: the second look (dataplane/unsettled.h) is taken at once.
  _mm_mfence();
  port->settle(worker, counters);
}

}  // namespace memswitch
