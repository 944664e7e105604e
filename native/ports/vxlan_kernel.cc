#include "ports/vxlan_kernel.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/fate.h"
#include "ports/vxlan.h"
#include "vxlan/flow.h"
#include "vxlan/socket_address.h"
#include "vxlan/wire.h"

namespace memswitch {

namespace {

Drop reason_of(int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Drop::kUnderlayFull;
    case EMSGSIZE:
    case EINVAL:  // a segment that is longer than the way carries
      return Drop::kTooLong;
    case EHOSTUNREACH:
      return Drop::kUnresolved;
    default:
      return Drop::kUnderlayError;
  }
}

}  // namespace

// Builds the messages of one socket and sends them.
class KernelUnderlay::Sender {
 public:
  Sender(KernelUnderlay& underlay, int fd, Burst& burst, VxlanPort& tunnel, uint16_t worker,
         PortCounters& counters)
      : underlay_(underlay),
        fd_(fd),
        burst_(burst),
        tunnel_(tunnel),
        worker_(worker),
        counters_(counters),
        header_(vxlan::vxlan_header(tunnel.vni())),
        segment_(underlay.segment_.load(std::memory_order_relaxed)) {}

  void add(const Parcel& parcel) {
    const Frame& frame = burst_.frames[parcel.frame];
    if (frame.length > kMaxInner) [[unlikely]] {
      drop(parcel, Drop::kTooLong);
      return;
    }
    const size_t wanted = 3U + frame.segments;
    if (pieces_ + wanted > pieces_of_all_.size()) {
      send();
    }
    const uint8_t tos = underlay_.options_.inherit_dscp
                            ? vxlan::inner_dscp(burst_.headers[parcel.frame])
                            : uint8_t{0};
    if (!joins(parcel, frame.length, tos)) {
      begin(parcel, tos);
    }
    Message& message = messages_[count_ - 1];
    const size_t before = pieces_;
    gather(parcel.frame);
    message.pieces += pieces_ - before;
    const uint32_t length = static_cast<uint32_t>(sizeof header_) + frame.length;
    if (message.parcels == 0) {
      message.segment = length;
    }
    message.open = segment_ && length == message.segment;
    message.bytes += length;
    ++message.parcels;
    parcels_[parcel_count_++] = parcel;
  }

  void send() {
    for (size_t m = 0; m < count_; ++m) {
      finish(m);
    }
    size_t done = 0;
    while (done < count_) {
      const int sent = ::sendmmsg(fd_, headers_.data() + done, static_cast<unsigned>(count_ - done),
                                  MSG_DONTWAIT);
      if (sent > 0) {
        for (const size_t end = done + static_cast<size_t>(sent); done < end; ++done) {
          count_sent(messages_[done]);
        }
      } else if (errno != EINTR) {
        done = failed(done, errno);
      }
    }
    count_ = pieces_ = parcel_count_ = 0;
  }

 private:
  // A datagram, or several of one size for the stack to cut up.
  struct Message {
    RemoteIndex remote;
    uint8_t tos;
    bool open;  // may be joined by another of its size, or by a shorter last one
    size_t first_parcel;
    size_t parcels;
    size_t first_piece;
    size_t pieces;
    uint32_t segment;
    uint32_t bytes;
    sockaddr_storage name;
    alignas(cmsghdr) std::array<std::byte, 64> control;
  };

  static constexpr size_t kMaxJoined = 64;  // UDP_MAX_SEGMENTS of old kernels
  static constexpr uint32_t kMaxDatagram = 65535 - 40 - 8;
  static constexpr uint32_t kMaxInner = kMaxDatagram - sizeof(vxlan::Vxlan);

  [[nodiscard]] bool joins(const Parcel& parcel, uint32_t inner, uint8_t tos) const {
    if (count_ == 0) {
      return false;
    }
    const Message& last = messages_[count_ - 1];
    const uint32_t length = static_cast<uint32_t>(sizeof header_) + inner;
    return last.open && last.remote == parcel.remote && last.tos == tos && length <= last.segment &&
           last.parcels < kMaxJoined && last.bytes + length <= kMaxDatagram;
  }

  void begin(const Parcel& parcel, uint8_t tos) {
    Message& message = messages_[count_++];
    message.remote = parcel.remote;
    message.tos = tos;
    message.first_parcel = parcel_count_;
    message.parcels = 0;
    message.first_piece = pieces_;
    message.pieces = 0;
    message.bytes = 0;
  }

  // The VXLAN header, the frame's private first bytes, then the rest where it lies.
  void gather(uint8_t f) {
    const Frame& frame = burst_.frames[f];
    const uint32_t head = std::min(frame.length, kHeaderBytes);
    piece(&header_, sizeof header_);
    piece(burst_.headers[f].data(), head);
    uint32_t skip = head;
    if (frame.first_length > skip) {
      piece(frame.data + skip, frame.first_length - skip);
    }
    skip -= std::min(skip, frame.first_length);
    for (uint16_t s = 0; s < frame.segments; ++s) {
      const Segment& part = burst_.pieces[frame.segment + s];
      if (part.length > skip) {
        piece(part.data + skip, part.length - skip);
      }
      skip -= std::min(skip, part.length);
    }
  }

  void piece(const void* data, size_t length) {
    pieces_of_all_[pieces_++] = {const_cast<void*>(data), length};
  }

  void finish(size_t m) {
    Message& message = messages_[m];
    msghdr& header = headers_[m].msg_hdr;
    header = {};
    header.msg_name = &message.name;
    header.msg_namelen = socket_address(tunnel_.remotes[message.remote].address,
                                        underlay_.options_.port, message.name);
    header.msg_iov = pieces_of_all_.data() + message.first_piece;
    header.msg_iovlen = message.pieces;
    header.msg_control = message.control.data();
    if (message.parcels > 1) {
      add_control(header, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(message.segment));
    }
    if (underlay_.options_.inherit_dscp) {
      const bool ipv4 = underlay_.options_.local.is_ipv4();
      add_control(header, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_TOS : IPV6_TCLASS,
                  static_cast<int>(message.tos));
    }
    if (header.msg_controllen == 0) {
      header.msg_control = nullptr;
    }
  }

  template <typename T>
  static void add_control(msghdr& header, int level, int type, T value) {
    cmsghdr control{};
    control.cmsg_level = level;
    control.cmsg_type = type;
    control.cmsg_len = CMSG_LEN(sizeof value);
    auto* at = static_cast<std::byte*>(header.msg_control) + header.msg_controllen;
    std::memset(at, 0, CMSG_SPACE(sizeof value));
    std::memcpy(at, &control, sizeof control);
    std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
    header.msg_controllen += CMSG_SPACE(sizeof value);
  }

  void count_sent(const Message& message) {
    uint64_t bytes = 0;
    for (size_t p = 0; p < message.parcels; ++p) {
      bytes += burst_.frames[parcels_[message.first_parcel + p].frame].length;
    }
    counters_.tx_frames.add(message.parcels);
    counters_.tx_bytes.add(bytes);
    RemoteCounters& remote = tunnel_.counters_of(message.remote, worker_);
    remote.tx_frames.add(message.parcels);
    remote.tx_bytes.add(bytes);
  }

  // Message m was refused: the next one to try, or all have ended when the socket is full.
  size_t failed(size_t m, int error) {
    if (error == EIO && messages_[m].parcels > 1) {
      underlay_.segment_.store(false, std::memory_order_relaxed);  // no checksums on that device
    }
    const Drop reason = reason_of(error);
    const size_t end = reason == Drop::kUnderlayFull ? count_ : m + 1;
    for (; m < end; ++m) {
      const Message& message = messages_[m];
      for (size_t p = 0; p < message.parcels; ++p) {
        drop(parcels_[message.first_parcel + p], reason);
      }
    }
    return end;
  }

  void drop(const Parcel& parcel, Drop reason) {
    memswitch::drop(burst_, parcel.frame, reason, counters_);
    tunnel_.counters_of(parcel.remote, worker_).drops.add(1);
  }

  KernelUnderlay& underlay_;
  const int fd_;
  Burst& burst_;
  VxlanPort& tunnel_;
  const uint16_t worker_;
  PortCounters& counters_;
  vxlan::Vxlan header_;
  const bool segment_;
  size_t count_ = 0;
  size_t pieces_ = 0;
  size_t parcel_count_ = 0;
  std::array<Parcel, kBurst> parcels_;
  std::array<Message, kBurst> messages_;
  std::array<mmsghdr, kBurst> headers_;
  std::array<iovec, kBurstPieces + 3 * kBurst> pieces_of_all_;
};

void KernelUnderlay::send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel,
                          uint16_t worker, PortCounters& counters) {
  std::array<uint8_t, kBurst> socket_of;
  uint64_t used = 0;
  for (size_t p = 0; p < parcels.size(); ++p) {
    const uint16_t frame = parcels[p].frame;
    const size_t head = std::min(burst.frames[frame].length, kHeaderBytes);
    socket_of[p] = static_cast<uint8_t>(vxlan::flow_hash({burst.headers[frame].data(), head}) %
                                        sockets_.tx.size());
    used |= uint64_t{1} << socket_of[p];
  }
  for (; used != 0; used &= used - 1) {
    const auto socket = static_cast<size_t>(__builtin_ctzll(used));
    Sender sender(*this, sockets_.tx[socket].get(), burst, tunnel, worker, counters);
    for (size_t p = 0; p < parcels.size(); ++p) {
      if (socket_of[p] == socket) {
        sender.add(parcels[p]);
      }
    }
    sender.send();
  }
}

}  // namespace memswitch
