#include "ports/vxlan_kernel_rx.h"

#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <cstring>

#include "ports/vxlan.h"
#include "vxlan/decapsulate.h"
#include "vxlan/neighbor.h"
#include "vxlan/socket_address.h"
#include "vxlan/wire.h"

namespace memswitch {

namespace {

Mac source_of(const std::byte* frame) {
  Mac mac = 0;
  std::memcpy(&mac, frame + 6, 6);
  return mac;
}

}  // namespace

KernelRxQueue::KernelRxQueue(Port& home, KernelUnderlay& underlay)
    : RxQueue(home),
      underlay_(underlay),
      buffers_(std::make_unique_for_overwrite<std::byte[]>(kMessages * kStride)),
      messages_(kMessages),
      headers_(kMessages),
      datagrams_(kMessages * kMaxJoined),
      used_(kMessages) {}

int KernelRxQueue::wake_fd() const {
  return underlay_.sockets().rx.get();
}

bool KernelRxQueue::arm() {
  pollfd entry{wake_fd(), POLLIN, 0};
  return next_ < count_ || ::poll(&entry, 1, 0) > 0;
}

void KernelRxQueue::prepare(size_t m) {
  Message& message = messages_[m];
  message.piece = {buffers_.get() + m * kStride, kMaxDatagram};
  headers_[m].msg_hdr = {.msg_name = &message.name,
                         .msg_namelen = sizeof message.name,
                         .msg_iov = &message.piece,
                         .msg_iovlen = 1,
                         .msg_control = message.control.data(),
                         .msg_controllen = message.control.size(),
                         .msg_flags = 0};
}

namespace {

// The size of the datagrams that the stack has joined; 0: it is one.
uint32_t joined_size(const msghdr& header) {
  for (const cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      return size > 0 ? static_cast<uint32_t>(size) : 0;
    }
  }
  return 0;
}

}  // namespace

void KernelRxQueue::take_apart(size_t m, const mmsghdr& header) {
  const std::byte* data = buffers_.get() + m * kStride;
  const uint32_t joined = joined_size(header.msg_hdr);
  const bool truncated = (header.msg_hdr.msg_flags & MSG_TRUNC) != 0;
  uint32_t left = header.msg_len;
  size_t parts = 0;
  do {
    const bool too_many = ++parts == kMaxJoined && left > joined;
    const uint32_t length = joined == 0 || too_many ? left : std::min(left, joined);
    datagrams_[count_++] = {data, length, static_cast<uint16_t>(m), false, truncated || too_many};
    data += length;
    left -= length;
  } while (left > 0);
}

bool KernelRxQueue::fetch() {
  for (size_t m = 0; m < used_; ++m) {
    prepare(m);
  }
  const int got = ::recvmmsg(wake_fd(), headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
  used_ = got > 0 ? static_cast<size_t>(got) : 0;
  count_ = next_ = 0;
  for (size_t m = 0; m < used_; ++m) {
    take_apart(m, headers_[m]);
  }
  return count_ > 0;
}

KernelRxQueue::Verdict KernelRxQueue::judge(const Datagram& datagram,
                                            const VniTable& tunnels) const {
  const auto refuse = [](Drop reason) { return Verdict{nullptr, kNoRemote, reason}; };
  if (datagram.truncated || datagram.length < sizeof(vxlan::Vxlan)) {
    return refuse(Drop::kBadOuterLength);
  }
  const std::optional<uint32_t> vni = vxlan::vni_of(datagram.data);
  if (!vni) {
    return refuse(Drop::kBadVxlan);
  }
  VxlanPort* tunnel = tunnels.find(*vni);
  if (tunnel == nullptr) {
    return refuse(Drop::kUnknownVni);
  }
  const RemoteIndex remote = tunnel->sender(address_of(messages_[datagram.message].name));
  return remote == kNoRemote ? refuse(Drop::kUnknownRemote) : Verdict{tunnel, remote, {}};
}

void KernelRxQueue::put(Burst& burst, Datagram& datagram, const Verdict& verdict) {
  const uint32_t outer = verdict.tunnel != nullptr ? sizeof(vxlan::Vxlan) : 0;
  const uint32_t length = datagram.length - outer;
  burst.frames[burst.count++] = {.data = datagram.data + outer,
                                 .buffer = nullptr,
                                 .length = length,
                                 .first_length = length,
                                 .segment = 0,
                                 .segments = 0};
  if (verdict.tunnel != nullptr) {
    const Mac source = length >= kMinFrame ? source_of(datagram.data + outer) : 0;
    verdict.tunnel->heard(verdict.remote, source, length, worker);
    if (VxlanAnswers* listener = verdict.tunnel->listener(); listener != nullptr) [[unlikely]] {
      const size_t head = std::min<size_t>(length, vxlan::kMaxNeighborFrame);
      listener->listen({datagram.data + outer, head}, length);
    }
  }
  datagram.done = true;
}

// One burst for each tunnel, and for each reason to refuse: datagrams of others wait for the next call. Each is judged
// anew then, because its tunnel may have been removed meanwhile.
bool KernelRxQueue::receive(Burst& burst) {
  const VniTable* tunnels = underlay_.tunnels.load(std::memory_order_acquire);
  if (next_ == count_ && !fetch()) {
    return false;
  }
  burst.count = burst.slots = burst.segments = 0;
  const Verdict first = judge(datagrams_[next_], *tunnels);
  for (size_t d = next_; d < count_ && burst.count < kBurst; ++d) {
    Datagram& datagram = datagrams_[d];
    if (datagram.done) {
      continue;
    }
    const Verdict verdict = judge(datagram, *tunnels);
    if (verdict.tunnel == first.tunnel &&
        (verdict.tunnel != nullptr || verdict.reason == first.reason)) {
      put(burst, datagram, verdict);
    }
  }
  while (next_ < count_ && datagrams_[next_].done) {
    ++next_;
  }
  if (first.tunnel != nullptr) {
    set_port(*first.tunnel);
  } else {
    set_port(tunnels->home());
    burst.refused = first.reason;
  }
  return true;
}

}  // namespace memswitch
