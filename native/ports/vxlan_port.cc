#include "ports/vxlan_port.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "dataplane/copy.h"
#include "dataplane/fate.h"
#include "dataplane/pieces.h"
#include "dataplane/watch.h"
#include "ports/vxlan.h"
#include "vxlan/flow.h"
#include "vxlan/wire.h"

namespace memswitch {

namespace {

bool share_prefix(const IpAddress& a, const IpAddress& b, uint8_t bits) {
  for (size_t i = 0; bits > 0; ++i) {
    const auto taken = std::min<uint8_t>(bits, 8);
    const auto mask = static_cast<std::byte>(0xff00U >> taken);
    if (((a.data()[i] ^ b.data()[i]) & mask) != std::byte{0}) {
      return false;
    }
    bits = static_cast<uint8_t>(bits - taken);
  }
  return true;
}

constexpr std::array<uint8_t, kBurst> kAll = [] {
  std::array<uint8_t, kBurst> all{};
  std::iota(all.begin(), all.end(), uint8_t{0});
  return all;
}();

}  // namespace

// What a worker needs while it works for this VTEP.
struct PortUnderlay::Scratch {
  Burst outer;  // to go out; their heads are below
  std::array<std::array<std::byte, vxlan::kOuterRoom + kHeaderBytes>, kBurst> heads;
  // Whose buffers they lie in: a device that takes one takes it from them. Null: nobody's.
  std::array<Frame*, kBurst> lenders;
  uint16_t id = 0;  // of IPv4 datagrams that may be fragmented

  // The template used last: most bursts go to one remote.
  uint32_t vni = UINT32_MAX;
  IpAddress remote;
  Mac mac = 0;
  vxlan::OuterTemplate made;
};

PortUnderlay::PortUnderlay(const Options& options, Port& port, const std::atomic<uint16_t>& clock)
    : options_(options),
      endpoint_{.local = options.self.address,
                .port = options.port,
                .vlan = options.self.vlan,
                .zero_checksum6 = !options.udp_checksum},
      port_(port),
      clock_(clock) {
  for (const StaticNeighbor& given : options.neighbors) {
    Neighbor& neighbor = neighbors_[next_hops_.add(given.address)];
    neighbor.is_static = true;
    neighbor.mac.store(given.mac, std::memory_order_relaxed);
  }
}

void PortUnderlay::add_worker(uint16_t worker, PortCounters& counters) {
  counters_[worker] = &counters;
  scratch_[worker] = std::make_unique<Scratch>();
}

PortUnderlay::~PortUnderlay() = default;

// --- neighbours ----------------------------------------------------------------------------------------------------

const IpAddress& PortUnderlay::next_hop(const IpAddress& remote) const {
  const bool near = options_.gateway.is_unspecified() ||
                    share_prefix(remote, options_.self.address, options_.prefix);
  return near ? remote : options_.gateway;
}

bool PortUnderlay::is_resolved(const IpAddress& remote) const {
  const RemoteIndex index = next_hops_.find(next_hop(remote));
  return index != kNoRemote && neighbors_[index].mac.load(std::memory_order_relaxed) != 0;
}

// The Ethernet address to send to; 0: nobody has answered yet, or not any more. Frames themselves drive asking and asking
// again, a second apart, so there is no timer: who is not talked to need not be known.
Mac PortUnderlay::resolve(const IpAddress& remote, uint16_t worker) {
  const IpAddress& address = next_hop(remote);
  RemoteIndex index = next_hops_.find(address);
  if (index == kNoRemote && (index = next_hops_.learn(address)) == kNoRemote) {
    return 0;
  }
  Neighbor& neighbor = neighbors_[index];
  const uint16_t now = clock_.load(std::memory_order_relaxed);
  const auto age = static_cast<uint16_t>(now - neighbor.confirmed.load(std::memory_order_relaxed));
  const bool is_known = neighbor.mac.load(std::memory_order_relaxed) != 0;
  if ((!is_known || age >= kStale_s) && !neighbor.is_static) [[unlikely]] {
    ask(neighbor, address, worker);
  }
  return neighbor.mac.load(std::memory_order_relaxed);
}

void PortUnderlay::ask(Neighbor& neighbor, const IpAddress& address, uint16_t worker) {
  const uint16_t now = clock_.load(std::memory_order_relaxed);
  const uint8_t unanswered = neighbor.unanswered.load(std::memory_order_relaxed);
  if (unanswered > 0 && neighbor.asked.exchange(now, std::memory_order_relaxed) == now) {
    return;
  }
  neighbor.asked.store(now, std::memory_order_relaxed);
  if (unanswered >= kMaxAsked) {
    neighbor.mac.store(0, std::memory_order_relaxed);
  } else {
    neighbor.unanswered.store(static_cast<uint8_t>(unanswered + 1), std::memory_order_relaxed);
  }
  std::array<std::byte, vxlan::kMaxNeighborFrame> frame;
  transmit_one(frame.data(), vxlan::write_question(frame.data(), options_.self, address), worker);
}

// Only who is asked for is remembered: nobody can fill the table by talking.
bool PortUnderlay::hear(const vxlan::NeighborMessage& message) {
  if (message.sender.vlan != options_.self.vlan) {
    return false;
  }
  const RemoteIndex index = next_hops_.find(message.sender.address);
  if (index != kNoRemote && !neighbors_[index].is_static) {
    Neighbor& neighbor = neighbors_[index];
    neighbor.confirmed.store(clock_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    neighbor.unanswered.store(0, std::memory_order_relaxed);
    neighbor.mac.store(message.sender.mac, std::memory_order_relaxed);
  }
  return message.kind == vxlan::NeighborMessage::Kind::kQuestion &&
         message.target == options_.self.address;
}

void PortUnderlay::answer(const vxlan::NeighborMessage& question, uint16_t worker) {
  std::array<std::byte, vxlan::kMaxNeighborFrame> frame;
  transmit_one(frame.data(), vxlan::write_answer(frame.data(), options_.self, question.sender),
               worker);
}

// A frame of our own; what else is about to go out goes first.
void PortUnderlay::transmit_one(const std::byte* frame, uint32_t length, uint16_t worker) {
  flush(worker);
  Scratch& scratch = *scratch_[worker];
  std::memcpy(scratch.heads[0].data(), frame, length);
  scratch.outer.frames[0] = {.data = scratch.heads[0].data(),
                             .buffer = nullptr,
                             .length = length,
                             .first_length = length,
                             .segment = 0,
                             .segments = 0};
  scratch.lenders[0] = nullptr;
  scratch.outer.count = 1;
  flush(worker);
}

void PortUnderlay::flush(uint16_t worker) {
  Scratch& scratch = *scratch_[worker];
  Burst& outer = scratch.outer;
  if (outer.count > 0) {
    static_assert(kMinFrame + vxlan::overhead(true) + kMinFrame >= kHeaderBytes);
    for (uint16_t i = 0; i < outer.count; ++i) {
      copy_fixed<kHeaderBytes>(outer.headers[i].data(), scratch.heads[i].data());
    }
    counters_[worker]->copies.add(outer.count);
    transmit_watched(port_, outer, std::span(kAll).first(outer.count), worker, *counters_[worker]);
  }
  for (uint16_t i = 0; i < outer.count; ++i) {
    if (scratch.lenders[i] != nullptr) {
      scratch.lenders[i]->buffer = outer.frames[i].buffer;
    }
  }
  outer.count = outer.segments = 0;
}

// --- in ------------------------------------------------------------------------------------------------------------

PortUnderlay::Arrival PortUnderlay::open(const Burst& burst, uint16_t f,
                                         std::span<const std::byte> head) const {
  const Frame& frame = burst.frames[f];
  const auto refuse = [](Drop reason) {
    Arrival refused;
    refused.drop = reason;
    return refused;
  };
  if (burst.destination(f) != options_.self.mac) {
    return refuse(Drop::kNotTunnel);
  }
  const vxlan::Decapsulated out = vxlan::decapsulate(head, frame.length, endpoint_);
  if (out.drop) {
    return refuse(*out.drop);
  }
  if (out.checksum && !frame.checked) {
    vxlan::Checksum sum = *out.checksum;
    each_piece(burst, frame, out.inner, out.length,
               [&](const std::byte* data, uint32_t size) { sum.add(data, size); });
    if (sum.sum() != vxlan::kChecksumHolds) {
      return refuse(Drop::kBadOuterChecksum);
    }
  }
  VxlanPort* tunnel = tunnels.load(std::memory_order_acquire)->find(out.vni);
  if (tunnel == nullptr) {
    return refuse(Drop::kUnknownVni);
  }
  return {{}, tunnel, out.source, out.inner, out.length};
}

// --- out -----------------------------------------------------------------------------------------------------------

void PortUnderlay::make_outer(const VxlanPort& tunnel, const IpAddress& remote, Mac mac,
                              Scratch& scratch) const {
  if (scratch.vni != tunnel.vni() || scratch.remote != remote || scratch.mac != mac) {
    scratch.vni = tunnel.vni();
    scratch.remote = remote;
    scratch.mac = mac;
    scratch.made = vxlan::OuterTemplate(
        {.source_mac = options_.self.mac,
         .destination_mac = mac,
         .vlan = options_.self.vlan,
         .local = options_.self.address,
         .remote = remote,
         .port = options_.port,
         .ttl = options_.ttl,
         .tos = static_cast<uint8_t>(options_.dscp < 0 ? 0 : options_.dscp << 2),
         .dont_fragment = options_.dont_fragment,
         .vni = tunnel.vni()});
  }
}

// Adds the frame, with the headers of the template, to what goes out.
void PortUnderlay::pack(Burst& burst, uint8_t f, uint16_t worker) {
  Scratch& scratch = *scratch_[worker];
  Burst& outer = scratch.outer;
  Frame& frame = burst.frames[f];
  if (outer.count == kBurst || outer.segments + frame.segments + 1U > kBurstSegments) {
    flush(worker);
  }
  const vxlan::OuterTemplate& made = scratch.made;
  const uint32_t head = std::min(frame.length, kHeaderBytes);
  const std::span<const std::byte> private_head(burst.headers[f].data(), head);
  std::byte* to = scratch.heads[outer.count].data();
  made.write(to, {.inner_length = frame.length,
                  .source_port = source_port(private_head),
                  .id = options_.dont_fragment ? uint16_t{0} : scratch.id++,
                  .tos = options_.dscp < 0 ? vxlan::inner_dscp(private_head) : uint8_t{0}});
  copy_fixed<kHeaderBytes>(to + made.size(), private_head.data());
  const bool lends = frame.buffer != nullptr && !frame.shared;
  scratch.lenders[outer.count] = lends ? &frame : nullptr;
  Frame& out = outer.frames[outer.count++];
  out = {.data = to,
         .buffer = lends ? frame.buffer : nullptr,
         .length = made.size() + frame.length,
         .first_length = made.size() + head,
         .segment = outer.segments,
         .segments = 0};
  if (frame.segments == 0) [[likely]] {
    if (frame.length > head) {
      outer.pieces[outer.segments++] = {frame.data + head, frame.length - head};
      out.segments = 1;
    }
  } else if (frame.length > head) {
    each_piece(burst, frame, head, frame.length - head, [&](const std::byte* data, uint32_t size) {
      outer.pieces[outer.segments++] = {data, size};
      ++out.segments;
    });
  }
  if (options_.udp_checksum) {
    sum_up(out, to, private_head, scratch);
  }
}

// By the flow inside, so that what lies between spreads flows and keeps each in order (RFC 7348, 5).
uint16_t PortUnderlay::source_port(std::span<const std::byte> head) const {
  const uint32_t range = options_.last_source_port - options_.first_source_port + 1U;
  const auto place = static_cast<uint32_t>(uint64_t{vxlan::flow_hash(head)} * range >> 32);
  return static_cast<uint16_t>(options_.first_source_port + place);
}

// UDP's checksum, or what a device needs to fill it in.
void PortUnderlay::sum_up(Frame& out, std::byte* headers, std::span<const std::byte> head,
                          const Scratch& scratch) const {
  if (port_.finishes_checksums) {
    scratch.made.begin_checksum(headers);
    out.unfinished = scratch.made.ip();
    return;
  }
  vxlan::Checksum sum;
  sum.add(head.data(), head.size());
  for (uint16_t s = 0; s < out.segments; ++s) {
    const Segment& piece = scratch.outer.pieces[out.segment + s];
    sum.add(piece.data, piece.length);
  }
  scratch.made.seal(headers, sum);
}

// Parcels of one remote: what concerns the way is done once for all of them.
void PortUnderlay::send_to(const IpAddress& address, Burst& burst, std::span<const Parcel> parcels,
                           VxlanPort& tunnel, uint16_t worker, PortCounters& counters) {
  const Mac hop = resolve(address, worker);
  if (hop != 0) {
    make_outer(tunnel, address, hop, *scratch_[worker]);
  }
  const uint32_t most = options_.mtu - vxlan::overhead(address.is_ipv4());
  uint64_t frames = 0;
  uint64_t bytes = 0;
  for (const Parcel& parcel : parcels) {
    const uint32_t length = burst.frames[parcel.frame].length;
    if (hop == 0 || length > most) [[unlikely]] {
      drop(burst, parcel.frame, length > most ? Drop::kTooLong : Drop::kUnresolved, counters);
      continue;
    }
    pack(burst, parcel.frame, worker);
    ++frames;
    bytes += length;
  }
  counters.tx_frames.add(frames);
  counters.tx_bytes.add(bytes);
  RemoteCounters& remote = tunnel.counters_of(parcels[0].remote, worker);
  remote.tx_frames.add(frames);
  remote.tx_bytes.add(bytes);
  remote.drops.add(parcels.size() - frames);
}

void PortUnderlay::send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel,
                        uint16_t worker, PortCounters& counters) {
  scratch_[worker]->outer.lane = burst.lane;
  while (!parcels.empty()) {
    const RemoteIndex remote = parcels[0].remote;
    const auto other = std::find_if(parcels.begin(), parcels.end(),
                                    [&](const Parcel& parcel) { return parcel.remote != remote; });
    const auto run = static_cast<size_t>(other - parcels.begin());
    send_to(tunnel.remotes[remote].address, burst, parcels.first(run), tunnel, worker, counters);
    parcels = parcels.subspan(run);
  }
  flush(worker);
}

}  // namespace memswitch
