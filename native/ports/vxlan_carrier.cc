#include "ports/vxlan_carrier.h"

#include <algorithm>
#include <cstring>

#include "dataplane/fate.h"
#include "dataplane/pieces.h"
#include "dataplane/watch.h"
#include "ports/vxlan.h"
#include "vxlan/decapsulate.h"
#include "vxlan/wire.h"

namespace memswitch {

namespace {

// Outer headers and the inner addresses, in whole registers.
constexpr uint32_t kPrivate = 112;
static_assert(kPrivate >= vxlan::kMaxOuter + 14 && kPrivate % 16 == 0);

// Untagged IPv4 without options: a snapshot holds just that. What is gathered anew lies by parts in the processor's store
// buffer, and reading it across them waits: of 64 bytes inside, 1.1 times as many frames with the snapshot.
static_assert(14 + vxlan::overhead(true) + 14 == kHeaderBytes);
bool has_plain_outer(std::span<const std::byte, kHeaderBytes> snapshot) {
  const auto* const at = snapshot.data() + sizeof(vxlan::Ethernet);
  return vxlan::read<uint16_t>(at - 2) == vxlan::swap16(vxlan::kEtherIpv4) &&
         *at == std::byte{0x45};
}

// The frame inside `frame`, as a frame of `inner`: it has no more pieces, so there is room for those of a burst.
void add_inner(Burst& inner, const Burst& burst, const Frame& frame, uint32_t offset,
               uint32_t length) {
  Frame& made = inner.frames[inner.count++];
  made = {.data = frame.data,
          .buffer = frame.buffer,
          .length = length,
          .first_length = 0,
          .segment = inner.segments,
          .segments = 0};
  if (frame.segments == 0) [[likely]] {
    made.data += offset;
    made.first_length = length;
    return;
  }
  each_piece(burst, frame, offset, length, [&](const std::byte* data, uint32_t size) {
    if (made.first_length == 0) {
      made.data = data;
      made.first_length = size;
    } else {
      inner.pieces[inner.segments++] = {data, size};
      ++made.segments;
    }
  });
}

void listen(VxlanAnswers& listener, const Burst& burst, const Frame& frame,
            const PortUnderlay::Arrival& arrival) {
  std::array<std::byte, vxlan::kMaxNeighborFrame> head;
  const uint32_t most = std::min<uint32_t>(arrival.length, vxlan::kMaxNeighborFrame);
  size_t got = 0;
  each_piece(burst, frame, arrival.inner, most, [&](const std::byte* data, uint32_t size) {
    std::memcpy(head.data() + got, data, size);
    got += size;
  });
  listener.listen(std::span(head).first(got), arrival.length);
}

}  // namespace

// Frames out of frames that came in, and these.
struct VxlanCarrier::Opened {
  Sender last;
  Burst inner;
  std::array<Frame*, kBurst> outer;
};

VxlanCarrier::VxlanCarrier(Port& port) : port_(port) {}

void VxlanCarrier::add_worker(uint16_t worker) {
  opened_[worker] = std::make_unique<Opened>();
}

VxlanCarrier::~VxlanCarrier() = default;

// All may learn from it; whom it asks for answers.
void VxlanCarrier::hear(const vxlan::NeighborMessage& message, Worker& worker, const Ends& all) {
  PortUnderlay* asked = nullptr;
  for (PortUnderlay* end : all) {
    if (end->hear(message)) {
      asked = end;
    }
  }
  if (asked != nullptr) {
    asked->answer(message, worker.index);
    worker.unsettled.add(port_.id());
  }
}

// What concerns the sender is done once for a run of its frames.
VxlanCarrier::Verdict VxlanCarrier::accept(Burst& burst, uint16_t f,
                                           std::span<const std::byte> head,
                                           const PortUnderlay::Arrival& arrival, Worker& worker) {
  PortCounters& counters = worker.counters_of(port_.id());
  VxlanPort& tunnel = *arrival.tunnel;
  Sender& last = opened_[worker.index]->last;
  if (last.tunnel != &tunnel || last.address != arrival.source) {
    last = {&tunnel, arrival.source, tunnel.sender(arrival.source), 0};
  }
  if (last.remote == kNoRemote) {
    drop(burst, f, Drop::kUnknownRemote, counters);
    return {};
  }
  tunnel.count(last.remote, arrival.length, worker.index);
  const Mac source = arrival.length >= kMinFrame ? load_mac(head.data() + arrival.inner + 6) : 0;
  if (source != last.station) {
    last.station = source;
    tunnel.learn(last.remote, source);
  }
  if (VxlanAnswers* listener = tunnel.listener(); listener != nullptr) [[unlikely]] {
    listen(*listener, burst, burst.frames[f], arrival);
  }
  counters.consumed.add(1);
  return {&tunnel, arrival.inner, arrival.length};
}

VxlanCarrier::Verdict VxlanCarrier::judge(Burst& burst, uint16_t f, Worker& worker,
                                          const Ends& all) {
  const Frame& frame = burst.frames[f];
  std::span<const std::byte> head =
      std::span(burst.headers[f]).first(std::min(frame.length, kHeaderBytes));
  std::array<std::byte, kPrivate> bytes;
  if (!has_plain_outer(burst.headers[f])) [[unlikely]] {
    head = {bytes.data(), gather<kPrivate>(bytes.data(), frame, burst)};
  }
  // Of several VTEPs the one says why that the frame came nearest to.
  Drop reason = Drop::kNotTunnel;
  for (PortUnderlay* end : all) {
    const PortUnderlay::Arrival arrival = end->open(burst, f, head);
    if (!arrival.drop) {
      return accept(burst, f, head, arrival, worker);
    }
    if (arrival.drop != Drop::kNotTunnel) {
      reason = *arrival.drop;
    }
    if (reason != Drop::kNotTunnel && reason != Drop::kWrongVtep) {
      break;
    }
  }
  // Last, for it is rare: nothing of it is a tunnel's.
  PortCounters& counters = worker.counters_of(port_.id());
  if (const auto message = vxlan::read_neighbor(head, frame.length)) {
    hear(*message, worker, all);
    counters.consumed.add(1);
  } else {
    drop(burst, f, reason, counters);
  }
  return {};
}

// A device's buffer leaves with the inner frame where that goes to a device.
void VxlanCarrier::forward_inner(Burst& inner, std::span<Frame* const> outer, Worker& worker,
                                 VxlanPort& tunnel) {
  forward(inner, worker, tunnel);
  for (uint16_t i = 0; i < inner.count; ++i) {
    outer[i]->buffer = inner.frames[i].buffer;
  }
}

// One burst for each tunnel, each frame in its order.
void VxlanCarrier::take(Burst& burst, Worker& worker, Port& in) {
  const Ends& all = *ends.load(std::memory_order_acquire);
  Opened& opened = *opened_[worker.index];
  opened.last = {};                      // a remote may have left meanwhile
  std::array<Verdict, kBurst> verdicts;  // of all, filled right below
  for (uint16_t f = 0; f < burst.count; ++f) {
    verdicts[f] = burst.fate[f] != kUnderWay ? Verdict{} : judge(burst, f, worker, all);
  }
  if (const Watch* watch = in.watch.load(std::memory_order_acquire)) [[unlikely]] {
    watch->came(burst, worker.index, worker.counters_of(in.id()));
  }
  Burst& inner = opened.inner;
  for (uint16_t first = 0; first < burst.count; ++first) {
    VxlanPort* tunnel = verdicts[first].tunnel;
    if (tunnel == nullptr) {
      continue;
    }
    inner.count = inner.slots = inner.segments = 0;
    inner.lane = burst.lane;
    for (uint16_t f = first; f < burst.count; ++f) {
      Verdict& verdict = verdicts[f];
      if (verdict.tunnel == tunnel) {
        add_inner(inner, burst, burst.frames[f], verdict.offset, verdict.length);
        opened.outer[inner.count - 1U] = &burst.frames[f];
        verdict.tunnel = nullptr;
      }
    }
    forward_inner(inner, opened.outer, worker, *tunnel);
  }
}

}  // namespace memswitch
