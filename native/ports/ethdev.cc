#include "ports/ethdev.h"

#include <poll.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/fate.h"
#include "ports/ethdev_copy.h"

namespace memswitch {

namespace {

constexpr uint32_t kWireMinimum = 60;  // without the checksum

// Makes the calling thread one that DPDK knows, for as long as the thread lives: only then do buffer pools keep a
// cache for it. Without, all works, slower.
class ThreadRegistration {
 public:
  ThreadRegistration() : ours_(rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0) {}
  ThreadRegistration(const ThreadRegistration&) = delete;
  ThreadRegistration& operator=(const ThreadRegistration&) = delete;
  ~ThreadRegistration() {
    if (ours_) {
      rte_thread_unregister();
    }
  }

 private:
  bool ours_;
};

void register_thread() {
  static thread_local const ThreadRegistration registration;
  static_cast<void>(registration);
}

rte_mbuf* buffer_of(const Frame& frame) {
  return static_cast<rte_mbuf*>(frame.buffer);
}

// Buffers as they come have room in front; what is refused are frames too short to have a tag, which go nowhere.
void restore_tags(std::span<rte_mbuf*> buffers) {
  for (rte_mbuf*& buffer : buffers) {
    if ((buffer->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
      rte_vlan_insert(&buffer);
    }
  }
}

// Of a tunnel that the device knows it may mean the inner checksum.
bool is_checked(const rte_mbuf& buffer) {
  return (buffer.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
         (buffer.packet_type & RTE_PTYPE_TUNNEL_MASK) == 0;
}

// The frame as the pieces of its buffers. One in more pieces than a burst has room for is told as too long.
void view(rte_mbuf& buffer, Frame& frame, Burst& burst) {
  frame = {.data = rte_pktmbuf_mtod(&buffer, const std::byte*),
           .buffer = &buffer,
           .length = buffer.pkt_len,
           .first_length = buffer.data_len,
           .segment = burst.segments,
           .segments = 0,
           .shared = false};
  for (const rte_mbuf* next = buffer.next; next != nullptr; next = next->next) {
    if (burst.segments == kBurstSegments) [[unlikely]] {
      frame.length = kMaxFrame + 1;
      return;
    }
    burst.pieces[burst.segments++] = {rte_pktmbuf_mtod(next, const std::byte*), next->data_len};
    ++frame.segments;
  }
}

}  // namespace

// --- receive -------------------------------------------------------------------------------------------------------

EthdevRxQueue::EthdevRxQueue(Port& port, const EthdevRxPath& path) : RxQueue(port), path_(path) {
  if (path.wake == Wake::kTimer) {
    timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  }
}

Wake EthdevRxQueue::wake() const {
  const bool naps = longest_nap_us_.load(std::memory_order_relaxed) >= kFirstNap_us;
  return path_.wake == Wake::kTimer && !naps ? Wake::kNever : path_.wake;
}

void EthdevRxQueue::close() {
  rte_pktmbuf_free_bulk(found_.data(), std::exchange(found_count_, uint16_t{0}));
}

bool EthdevRxQueue::receive(Burst& burst) {
  register_thread();
  std::array<rte_mbuf*, kBurst> buffers;
  uint16_t count = std::exchange(found_count_, uint16_t{0});
  if (count > 0) [[unlikely]] {
    std::copy_n(found_.begin(), count, buffers.begin());
  } else {
    count = rte_eth_rx_burst(path_.device, path_.queue, buffers.data(), path_.most);
  }
  if (count == 0) {
    return false;
  }
  nap_us_ = kFirstNap_us;
  burst.count = count;
  burst.segments = 0;
  if (restores_tags_.load(std::memory_order_relaxed)) [[unlikely]] {
    restore_tags(std::span(buffers).first(count));
  }
  for (uint16_t i = 0; i < count; ++i) {
    view(*buffers[i], burst.frames[i], burst);
    __builtin_prefetch(burst.frames[i].data);
  }
  for (uint16_t i = 0; path_.checks && i < count; ++i) {
    burst.frames[i].checked = is_checked(*buffers[i]);
  }
  return true;
}

void EthdevRxQueue::release(const Burst& burst) {
  std::array<rte_mbuf*, kBurst> buffers;
  unsigned count = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    if (burst.frames[i].buffer != nullptr) {
      buffers[count++] = buffer_of(burst.frames[i]);
    }
  }
  rte_pktmbuf_free_bulk(buffers.data(), count);
}

// The one look that every driver has, and no race: what it finds it also has. Some can't tell how many frames wait (virtio, ena).
bool EthdevRxQueue::find() {
  if (found_count_ == 0) {
    register_thread();
    found_count_ =
        rte_eth_rx_burst(path_.device, path_.queue, found_.data(), std::min(kFound, path_.most));
  }
  return found_count_ > 0;
}

bool EthdevRxQueue::arm() {
  switch (path_.wake) {
    case Wake::kNever:
      return true;
    case Wake::kInterrupt:
      // An interrupt that came before it was unmasked is lost: what waits must be seen.
      return rte_eth_dev_rx_intr_enable(path_.device, path_.queue) != 0 || find();
    case Wake::kDescriptor: {
      pollfd entry{.fd = path_.fd, .events = POLLIN, .revents = 0};
      return ::poll(&entry, 1, 0) != 0;
    }
    case Wake::kTimer: {
      const uint32_t longest = longest_nap_us_.load(std::memory_order_relaxed);
      if (longest < kFirstNap_us) {
        return true;
      }
      const itimerspec once{.it_interval = {},
                            .it_value = {.tv_sec = 0, .tv_nsec = nap_us_ * 1000}};
      nap_us_ = std::min(nap_us_ * 2, longest);
      return ::timerfd_settime(timer_.get(), 0, &once, nullptr) != 0;
    }
  }
  return true;
}

void EthdevRxQueue::disarm() {
  if (path_.wake == Wake::kInterrupt) {
    rte_eth_dev_rx_intr_disable(path_.device, path_.queue);
  }
}

// --- transmit ------------------------------------------------------------------------------------------------------

namespace {

// Of a buffer with one owner that is all of a frame's: whether something may be put in it.
bool is_ours(rte_mbuf& buffer) {
  return buffer.nb_segs == 1 && RTE_MBUF_DIRECT(&buffer) && rte_mbuf_refcnt_read(&buffer) == 1;
}

// Makes the buffer begin at `at`, inside it, with the frame's length.
void reshape(rte_mbuf& buffer, std::byte* at, uint32_t length) {
  buffer.data_off = static_cast<uint16_t>(at - static_cast<std::byte*>(buffer.buf_addr));
  buffer.data_len = static_cast<uint16_t>(length);
  buffer.pkt_len = length;
}

// Of a frame that begins outside its buffer, since a tunnel has put headers in front: where in the buffer they belong, so
// that what follows them stays where it is. Null: there is no room, or the frame lies otherwise.
std::byte* place_of_headers(const rte_mbuf& buffer, const Frame& frame, const Burst& burst) {
  auto* const base = static_cast<std::byte*>(buffer.buf_addr);
  std::byte* const end = base + buffer.buf_len;
  if (frame.segments == 0) {
    std::byte* const at = base + std::min<uint32_t>(RTE_PKTMBUF_HEADROOM, buffer.buf_len);
    return end - at >= static_cast<ptrdiff_t>(frame.length) ? at : nullptr;
  }
  const Segment& rest = burst.pieces[frame.segment];
  const bool inside = rest.data >= base && rest.data + rest.length <= end;
  const bool room = rest.data - base >= static_cast<ptrdiff_t>(frame.first_length);
  return frame.segments == 1 && inside && room
             ? base + (rest.data - base) - static_cast<ptrdiff_t>(frame.first_length)
             : nullptr;
}

// A tunnel has taken its headers off, or put them on: the same is done to the buffer.
bool fit(rte_mbuf& buffer, const Burst& burst, uint8_t index) {
  const Frame& frame = burst.frames[index];
  if (!is_ours(buffer)) {
    return false;
  }
  auto* const base = static_cast<std::byte*>(buffer.buf_addr);
  if (frame.data >= base && frame.data < base + buffer.buf_len) {
    const bool whole = frame.segments == 0 && frame.data + frame.length <= base + buffer.buf_len;
    if (whole) {
      reshape(buffer, base + (frame.data - base), frame.length);
      // A VLAN tag that was put on or taken off is so in the snapshot alone.
      std::memcpy(rte_pktmbuf_mtod(&buffer, std::byte*), burst.headers[index].data(),
                  std::min(frame.length, kHeaderBytes));
    }
    return whole;
  }
  std::byte* const at = place_of_headers(buffer, frame, burst);
  if (at == nullptr) {
    return false;
  }
  std::memcpy(at, frame.data, frame.first_length);
  reshape(buffer, at, frame.length);
  return true;
}

// The frame's own buffer, if it may leave: nobody else gets the frame, and the device takes it as it is.
rte_mbuf* hand_over(Burst& burst, uint8_t index, bool chains) {
  Frame& frame = burst.frames[index];
  rte_mbuf* const buffer = buffer_of(frame);
  if (buffer == nullptr || frame.shared || (buffer->nb_segs > 1 && !chains)) {
    return nullptr;
  }
  const bool as_it_came =
      frame.length == buffer->pkt_len && frame.data == rte_pktmbuf_mtod(buffer, const std::byte*);
  if (!as_it_came && !fit(*buffer, burst, index)) {
    return nullptr;
  }
  frame.buffer = nullptr;
  return buffer;
}

// IPv4's own checksum is there already.
void ask_for_checksum(rte_mbuf& buffer, uint8_t ip) {
  const auto version = *rte_pktmbuf_mtod_offset(&buffer, const uint8_t*, ip) >> 4;
  buffer.l2_len = ip & 0x7fU;  // as many bits as the field has
  buffer.l3_len = version == 4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  buffer.ol_flags |=
      RTE_MBUF_F_TX_UDP_CKSUM | (version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
}

void pad(rte_mbuf& buffer) {
  const uint32_t missing = buffer.pkt_len < kWireMinimum ? kWireMinimum - buffer.pkt_len : 0;
  if (missing > 0) {
    if (char* tail = rte_pktmbuf_append(&buffer, static_cast<uint16_t>(missing))) {
      std::memset(tail, 0, missing);
    }
  }
}

}  // namespace

void EthdevPort::set_path(const EthdevPath& path) {
  path_ = path;
  finishes_checksums = path.checksums;
  for (uint16_t q = 0; q < path.tx_queues; ++q) {
    tx_.push_back(
        std::make_unique<EthdevTxQueue>(path.device, q, path.workers, !path.shares_queues));
  }
}

// What is copied, and what the device is asked to do, comes once all of the batch is known.
void EthdevPort::prepare(EthdevBatch& batch, Burst& burst, std::span<const uint8_t> which,
                         PortCounters& counters) {
  for (const uint8_t index : which) {
    if (burst.frames[index].length > path_.longest) [[unlikely]] {
      drop(burst, index, Drop::kTooLong, counters);
      continue;
    }
    rte_mbuf* const buffer = hand_over(burst, index, path_.chains);
    batch.missing = static_cast<uint16_t>(batch.missing + (buffer == nullptr ? 1 : 0));
    batch.frames[batch.count] = index;
    batch.buffers[batch.count++] = buffer;
  }
  if (batch.missing > 0) {
    copy_missing(batch, burst, path_.pool);
  }
  uint16_t kept = 0;
  for (uint16_t i = 0; i < batch.count; ++i) {
    rte_mbuf* const buffer = batch.buffers[i];
    const uint8_t index = batch.frames[i];
    if (buffer == nullptr) [[unlikely]] {
      drop(burst, index, Drop::kNoBuffer, counters);
      continue;
    }
    if (path_.pads) {
      pad(*buffer);
    }
    if (burst.frames[index].unfinished != 0) [[unlikely]] {
      ask_for_checksum(*buffer, burst.frames[index].unfinished);
    }
    batch.frames[kept] = index;
    batch.buffers[kept++] = buffer;
  }
  batch.count = kept;
}

void EthdevPort::transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                          PortCounters& counters) {
  if (!up_.load(std::memory_order_acquire)) [[unlikely]] {
    drop(burst, which, Drop::kLinkDown, counters);
    return;
  }
  register_thread();
  EthdevTxQueue& queue = *tx_[burst.lane % path_.tx_queues];
  while (!which.empty()) {
    EthdevBatch batch;
    const auto part = which.first(std::min(which.size(), EthdevBatch::kMost));
    which = which.subspan(part.size());
    prepare(batch, burst, part, counters);
    const std::span<rte_mbuf*> buffers(batch.buffers.data(), batch.count);
    const auto [done, reason] = queue.send(buffers, worker, counters);
    if (done < batch.count) [[unlikely]] {
      drop(burst, std::span(batch.frames).first(batch.count).subspan(done), reason, counters);
      rte_pktmbuf_free_bulk(buffers.data() + done, static_cast<unsigned>(batch.count - done));
    }
  }
}

bool EthdevPort::settle(uint16_t /*worker*/, PortCounters& counters) {
  bool done = true;
  for (const auto& queue : tx_) {
    done = queue->settle(counters) && done;
  }
  return done;
}

uint64_t EthdevPort::discard() {
  uint64_t frames = 0;
  for (const auto& queue : tx_) {
    frames += queue->discard();
  }
  return frames;
}

}  // namespace memswitch
