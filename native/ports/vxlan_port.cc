#include "ports/vxlan_port.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "dataplane/copy.h"
#include "ports/vxlan.h"
#include "vxlan/flow.h"
#include "vxlan/wire.h"

namespace memswitch {

namespace {

// Outer headers, and the inner addresses.
constexpr uint32_t kPrivate = vxlan::kMaxOuter + 12;

// The first bytes of a frame, which a peer can change at any time, into private memory.
uint32_t gather(std::byte* to, uint32_t most, const Frame& frame, const Burst& burst) {
  uint32_t done = std::min(frame.first_length, most);
  std::memcpy(to, frame.data, done);
  for (uint16_t s = 0; s < frame.segments && done < most; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    const uint32_t part = std::min(piece.length, most - done);
    std::memcpy(to + done, piece.data, part);
    done += part;
  }
  return done;
}

// Visits the bytes [offset, offset + length) of a frame piece by piece.
template <typename Visit>
void each_piece(const Burst& burst, const Frame& frame, uint32_t offset, uint32_t length,
                Visit visit) {
  const auto part = [&](const std::byte* data, uint32_t size) {
    const uint32_t skip = std::min(offset, size);
    const uint32_t taken = std::min(size - skip, length);
    offset -= skip;
    length -= taken;
    if (taken > 0) {
      visit(data + skip, taken);
    }
  };
  part(frame.data, frame.first_length);
  for (uint16_t s = 0; s < frame.segments && length > 0; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    part(piece.data, piece.length);
  }
}

// The frame inside `frame`, as a frame of `inner`. False: no room for its pieces.
bool add_inner(Burst& inner, const Burst& burst, const Frame& frame, uint32_t offset,
               uint32_t length) {
  if (inner.segments + frame.segments > kBurstSegments) {
    return false;
  }
  Frame& made = inner.frames[inner.count++];
  made = {.data = frame.data,
          .buffer = nullptr,
          .length = length,
          .first_length = 0,
          .segment = inner.segments,
          .segments = 0};
  each_piece(burst, frame, offset, length, [&](const std::byte* data, uint32_t size) {
    if (made.first_length == 0) {
      made.data = data;
      made.first_length = size;
    } else {
      inner.pieces[inner.segments++] = {data, size};
      ++made.segments;
    }
  });
  return true;
}

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
  Burst inner;  // out of frames that came in
  Burst outer;  // to go out; their heads are below
  std::array<std::array<std::byte, vxlan::kMaxOuterSent + kHeaderBytes>, kBurst> heads;
  uint16_t id = 0;  // of IPv4 datagrams that may be fragmented

  // The template used last: most bursts go to one remote.
  uint32_t vni = UINT32_MAX;
  IpAddress remote;
  Mac mac = 0;
  vxlan::OuterTemplate made;
};

struct PortUnderlay::Verdict {
  VxlanPort* tunnel = nullptr;
  uint32_t offset = 0;
  uint32_t length = 0;
};

PortUnderlay::PortUnderlay(const Options& options, Port& port, std::vector<PortCounters*> counters,
                           const std::atomic<uint16_t>& clock)
    : options_(options),
      endpoint_{.local = options.self.address,
                .port = options.port,
                .vlan = options.self.vlan,
                .zero_checksum6 = !options.udp_checksum},
      port_(port),
      counters_(std::move(counters)),
      clock_(clock) {
  for (size_t w = 0; w < counters_.size(); ++w) {
    scratch_.push_back(std::make_unique<Scratch>());
  }
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
  if (neighbor.mac.load(std::memory_order_relaxed) == 0 || age >= kStale_s) [[unlikely]] {
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
void PortUnderlay::hear(const vxlan::NeighborMessage& message, uint16_t worker) {
  const RemoteIndex index = next_hops_.find(message.sender.address);
  if (index != kNoRemote) {
    Neighbor& neighbor = neighbors_[index];
    neighbor.confirmed.store(clock_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    neighbor.unanswered.store(0, std::memory_order_relaxed);
    neighbor.mac.store(message.sender.mac, std::memory_order_relaxed);
  }
  if (message.kind == vxlan::NeighborMessage::Kind::kQuestion &&
      message.target == options_.self.address) {
    std::array<std::byte, vxlan::kMaxNeighborFrame> frame;
    transmit_one(frame.data(), vxlan::write_answer(frame.data(), options_.self, message.sender),
                 worker);
  }
}

// A frame of our own; what else is about to go out goes first.
void PortUnderlay::transmit_one(const std::byte* frame, uint32_t length, uint16_t worker) {
  flush(worker);
  Scratch& scratch = *scratch_[worker];
  std::memcpy(scratch.heads[0].data(), frame, length);
  copy_short(scratch.outer.headers[0].data(), frame, std::min(length, kHeaderBytes));
  scratch.outer.frames[0] = {.data = scratch.heads[0].data(),
                             .buffer = nullptr,
                             .length = length,
                             .first_length = length,
                             .segment = 0,
                             .segments = 0};
  scratch.outer.count = 1;
  flush(worker);
}

void PortUnderlay::flush(uint16_t worker) {
  Burst& outer = scratch_[worker]->outer;
  if (outer.count > 0) {
    counters_[worker]->copies.add(outer.count);
    port_.transmit(outer, std::span(kAll).first(outer.count), worker, *counters_[worker]);
  }
  outer.count = outer.segments = 0;
}

// --- in ------------------------------------------------------------------------------------------------------------

PortUnderlay::Verdict PortUnderlay::judge(const Burst& burst, uint16_t f, uint16_t worker) {
  const Frame& frame = burst.frames[f];
  std::array<std::byte, kPrivate> bytes;
  const std::span<const std::byte> head(bytes.data(), gather(bytes.data(), kPrivate, frame, burst));
  PortCounters& counters = *counters_[worker];
  const auto refuse = [&](Drop reason) {
    counters.drop(reason);
    return Verdict{};
  };
  if (const auto message = vxlan::read_neighbor(head, frame.length, options_.self.vlan)) {
    hear(*message, worker);
    counters.consumed.add(1);
    return {};
  }
  if (burst.destination[f] != options_.self.mac) {
    return refuse(Drop::kNotTunnel);
  }
  const vxlan::Decapsulated out = vxlan::decapsulate(head, frame.length, endpoint_);
  if (out.drop) {
    return refuse(*out.drop);
  }
  if (out.checksum) {
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
  const RemoteIndex remote = tunnel->sender(out.source);
  if (remote == kNoRemote) {
    return refuse(Drop::kUnknownRemote);
  }
  Mac source = 0;
  if (out.length >= kMinFrame) {
    std::memcpy(&source, bytes.data() + out.inner + 6, 6);
  }
  tunnel->heard(remote, source, out.length, worker);
  counters.consumed.add(1);
  return {tunnel, out.inner, out.length};
}

// One burst for each tunnel, each frame in its order.
void PortUnderlay::take(Burst& burst, Worker& worker, Port&) {
  std::array<Verdict, kBurst> verdicts;
  for (uint16_t f = 0; f < burst.count; ++f) {
    verdicts[f] = burst.dropped[f] ? Verdict{} : judge(burst, f, worker.index);
  }
  Burst& inner = scratch_[worker.index]->inner;
  for (uint16_t first = 0; first < burst.count; ++first) {
    VxlanPort* tunnel = verdicts[first].tunnel;
    if (tunnel == nullptr) {
      continue;
    }
    inner.count = inner.slots = inner.segments = 0;
    for (uint16_t f = first; f < burst.count; ++f) {
      Verdict& verdict = verdicts[f];
      if (verdict.tunnel == tunnel &&
          add_inner(inner, burst, burst.frames[f], verdict.offset, verdict.length)) {
        verdict.tunnel = nullptr;
      }
    }
    forward(inner, worker, *tunnel);
  }
}

// --- out -----------------------------------------------------------------------------------------------------------

const vxlan::OuterTemplate& PortUnderlay::outer_for(const VxlanPort& tunnel,
                                                    const IpAddress& remote, Mac mac,
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
  return scratch.made;
}

// Adds the parcel to what goes out, or says why not.
std::optional<Drop> PortUnderlay::pack(const Burst& burst, const Parcel& parcel, VxlanPort& tunnel,
                                       uint16_t worker) {
  Scratch& scratch = *scratch_[worker];
  Burst& outer = scratch.outer;
  const Frame& frame = burst.frames[parcel.frame];
  const std::byte* header = burst.headers[parcel.frame].data();
  const IpAddress& remote = tunnel.remotes[parcel.remote].address;
  if (frame.length + vxlan::overhead(remote.is_ipv4()) > options_.mtu) {
    return Drop::kTooLong;
  }
  const Mac mac = resolve(remote, worker);
  if (mac == 0) {
    return Drop::kUnresolved;
  }
  if (outer.count == kBurst || outer.segments + frame.segments + 1U > kBurstSegments) {
    flush(worker);
  }
  const vxlan::OuterTemplate& made = outer_for(tunnel, remote, mac, scratch);
  const uint32_t head = std::min(frame.length, kHeaderBytes);
  const std::span<const std::byte> private_head(header, head);
  const uint32_t range = options_.last_source_port - options_.first_source_port + 1U;
  std::byte* to = scratch.heads[outer.count].data();
  made.write(to, {.inner_length = frame.length,
                  .source_port = static_cast<uint16_t>(options_.first_source_port +
                                                       vxlan::flow_hash(private_head) % range),
                  .id = options_.dont_fragment ? uint16_t{0} : scratch.id++,
                  .tos = options_.dscp < 0 ? vxlan::inner_dscp(private_head) : uint8_t{0}});
  copy_short(to + made.size(), header, head);
  Frame& out = outer.frames[outer.count];
  out = {.data = to,
         .buffer = nullptr,
         .length = made.size() + frame.length,
         .first_length = made.size() + head,
         .segment = outer.segments,
         .segments = 0};
  vxlan::Checksum sum;
  sum.add(header, head);
  each_piece(burst, frame, head, frame.length - head, [&](const std::byte* data, uint32_t size) {
    outer.pieces[outer.segments++] = {data, size};
    ++out.segments;
    if (options_.udp_checksum) {
      sum.add(data, size);
    }
  });
  if (options_.udp_checksum) {
    made.seal(to, sum);
  }
  static_assert(kMinFrame + vxlan::overhead(true) + kMinFrame >= kHeaderBytes);
  copy_fixed<kHeaderBytes>(outer.headers[outer.count].data(), to);
  ++outer.count;
  return std::nullopt;
}

void PortUnderlay::send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel,
                        uint16_t worker, PortCounters& counters) {
  for (const Parcel& parcel : parcels) {
    RemoteCounters& remote = tunnel.counters_of(parcel.remote, worker);
    if (const std::optional<Drop> drop = pack(burst, parcel, tunnel, worker)) {
      counters.drop(*drop);
      remote.drops.add(1);
      continue;
    }
    const uint32_t length = burst.frames[parcel.frame].length;
    counters.tx_frames.add(1);
    counters.tx_bytes.add(length);
    remote.tx_frames.add(1);
    remote.tx_bytes.add(length);
  }
  flush(worker);
}

}  // namespace memswitch
