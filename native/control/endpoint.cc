#include "control/endpoint.h"

#include <emmintrin.h>

#include <algorithm>
#include <atomic>
#include <numeric>

namespace memswitch {

using memif::Descriptor;
using memif::Fault;
using memif::Ring;

// --- the link ------------------------------------------------------------------------------------------------------

EndpointLink::EndpointLink(memif::Link link) : link_(std::move(link)), reserved_(link_.tx.size()) {
  for (const memif::Region& region : link_.regions) {
    views_.push_back({region.base(), region.size()});
  }
  for (size_t queue = 0; queue < link_.rx.size(); ++queue) {
    disarm(queue);
  }
}

Fault EndpointLink::receive(size_t queue, Burst& burst) {
  burst.count = burst.slots = 0;
  if (failed_.load()) {
    return Fault::kNone;
  }
  if (std::ranges::any_of(link_.regions, &memif::Region::lost)) {
    return fail(Fault::kLostMemory);
  }
  return fail(memif::receive(link_.rx[queue], regions_table(), burst));
}

Fault EndpointLink::fail(Fault fault) {
  return fault == Fault::kNone || failed_.exchange(true) ? Fault::kNone : fault;
}

void EndpointLink::release(size_t queue, const Burst& burst) {
  memif::release(link_.rx[queue], burst.slots);
}

bool EndpointLink::arm(size_t queue) {
  // An exchange is a full fence: the mask is clear for everybody before we look at the index.
  std::atomic_ref<uint16_t>(*link_.rx[queue].flags).exchange(0, std::memory_order_seq_cst);
  return memif::available(link_.rx[queue]) != 0;
}

void EndpointLink::disarm(size_t queue) {
  memif::store_release(link_.rx[queue].flags, memif::kRingMaskInterrupt);
}

// With the fence that the switch's poll threads spare themselves: here nobody looks a second time.
void EndpointLink::wake_peer(const Ring& ring) {
  _mm_mfence();
  if (memif::wants_doorbell(ring)) {
    memif::ring_doorbell(ring);
  }
}

memif::Transmitted EndpointLink::transmit(size_t queue, Burst& burst) {
  std::array<uint8_t, kBurst> all;
  std::iota(all.begin(), all.end(), uint8_t{0});
  Ring& ring = link_.tx[queue];
  memif::Transmitted sent;
  if (failed_.load()) {
    return sent;
  }
  sent = memif::transmit(ring, regions_table(), burst, all.data(), burst.count);
  sent.fault = fail(sent.fault);
  if (sent.frames > 0) {
    wake_peer(ring);
  }
  return sent;
}

Fault EndpointLink::reserve(size_t queue, size_t most, std::vector<Place>& places) {
  const Ring& ring = link_.tx[queue];
  std::vector<Descriptor>& taken = reserved_[queue];
  taken.clear();
  places.clear();
  if (failed_.load()) {
    return Fault::kNone;
  }
  const uint16_t room = memif::available(ring);
  if (room > ring.size) {
    return fail(Fault::kIndexJump);
  }
  for (uint16_t i = 0; i < std::min<size_t>(room, most); ++i) {
    const uint16_t slot = static_cast<uint16_t>(ring.position + i) & ring.mask;
    const Descriptor d =
        ring.lent != nullptr ? ring.lent[slot] : memif::load_once(&ring.slots[slot]);
    if (const Fault fault = memif::check(d, regions_table()); fault != Fault::kNone) {
      return fail(fault);
    }
    taken.push_back(d);
    places.push_back({d.region, d.offset, d.length});
  }
  return Fault::kNone;
}

void EndpointLink::commit(size_t queue, std::span<const uint32_t> lengths) {
  Ring& ring = link_.tx[queue];
  const std::vector<Descriptor>& taken = reserved_[queue];
  const size_t count = std::min(lengths.size(), taken.size());
  for (size_t i = 0; i < count; ++i) {
    Descriptor d = taken[i];
    d.flags = 0;
    d.length = std::min(lengths[i], d.length);
    memif::store(&ring.slots[static_cast<uint16_t>(ring.position + i) & ring.mask], d);
  }
  if (count > 0) {
    memif::publish(ring, static_cast<uint16_t>(count));
    wake_peer(ring);
  }
  reserved_[queue].clear();
}

EndpointLink::Place EndpointLink::place(const Frame& frame) const {
  for (uint16_t region = 0; region < views_.size(); ++region) {
    const auto offset = static_cast<uint64_t>(frame.data - views_[region].base);
    if (offset < views_[region].size) {
      return {region, static_cast<uint32_t>(offset), frame.length};
    }
  }
  return {};
}

// --- the endpoint --------------------------------------------------------------------------------------------------

Endpoint::Endpoint(EndpointOptions options, Listener& listener)
    : options_(std::move(options)), listener_(listener) {}

Endpoint::~Endpoint() {
  close();
}

Status Endpoint::open() {
  const std::lock_guard guard(lock_);
  if (options_.is_client) {
    memif::ClientOptions client = options_.client;
    client.id = options_.place.id;
    client_.add(options_.place.socket, options_.place.netns, kPort, std::move(client));
  } else if (Status status =
                 server_.add(options_.place, kPort, options_.interface, options_.allowed);
             !status.ok()) {
    return status;
  }
  reactor_.start([this] { tick(); });
  return {};
}

void Endpoint::close() {
  {
    const std::lock_guard guard(lock_);
    client_.remove(kPort, "the program is closing");
    server_.remove(kPort, "the program is closing");
  }
  reactor_.stop();
}

void Endpoint::fail(Fault fault) {
  const std::lock_guard guard(lock_);
  client_.disconnect(kPort, memif::words(fault));
  server_.expel(kPort, memif::words(fault));
}

void Endpoint::tick() {
  client_.tick();
  server_.expire();
}

memif::Reason Endpoint::attached(PortId, memif::Link link, memif::PeerCredentials) {
  link_ = std::make_shared<EndpointLink>(std::move(link));
  told_.clear();
  for (size_t queue = 0; options_.tells_frames && queue < link_->queues(); ++queue) {
    reactor_.watch(
        link_->rx_doorbell(queue), [this, queue] { listener_.frames(queue); }, true);
  }
  listener_.up(link_);
  return {};
}

void Endpoint::detached(PortId, const std::string& reason) {
  for (size_t queue = 0; options_.tells_frames && queue < link_->queues(); ++queue) {
    reactor_.unwatch(link_->rx_doorbell(queue));
  }
  link_.reset();
  listener_.down(reason);
}

// Each reason once: it comes again with every try.
void Endpoint::refused(PortId, const memif::Reason& reason) {
  if (!link_ && reason.text != told_) {
    told_ = reason.text;
    listener_.down(reason.text);
  }
}

}  // namespace memswitch
