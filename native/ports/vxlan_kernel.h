// The underlay `kernel`: UDP sockets of the host's own stack. It needs no privilege and no device; routes, neighbours and
// firewalls are the host's.
//
// One socket receives for all tunnels of a VTEP. A socket's source port is fixed, so a few sockets send, each bound to a
// port of its own, and the inner flow's hash chooses one (RFC 7348, 4.2): sixteen ports spread flows over equal paths
// almost as well as all 16,384, and a raw socket, which could set any port, would need a privilege.
//
// Bursts go in and out by sendmmsg and recvmmsg. Frames of one flow and size leave as one datagram that the stack cuts
// up at its end (UDP_SEGMENT), and come in likewise joined (UDP_GRO).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <vector>

#include "memif/fd.h"
#include "ports/port.h"
#include "ports/underlay.h"
#include "tables/tunnel_table.h"
#include "vxlan/wire.h"

namespace memswitch {

struct KernelSockets {
  UniqueFd rx;
  std::vector<UniqueFd> tx;  // at least one
  UniqueFd probe;            // control's, to ask the routes
};

class KernelUnderlay;

class KernelRxQueue final : public RxQueue {
 public:
  KernelRxQueue(Port& home, KernelUnderlay& underlay);

  bool receive(Burst& burst) override;
  // Buffers are filled again only when all that came in them has gone.
  void release(const Burst&) override {}
  bool arm() override;
  void disarm() override {}
  [[nodiscard]] int wake_fd() const override;

 private:
  static constexpr size_t kMessages = 64;
  static constexpr size_t kMaxDatagram = 65536;
  // Not a power of two: else the first lines of all buffers would meet in the same sets of the cache.
  static constexpr size_t kStride = kMaxDatagram + 192;
  // In one message: the stack joins at most 64 datagrams, and passes on up to 128 that their sender had joined.
  static constexpr size_t kMaxJoined = 128;

  struct Datagram {
    const std::byte* data;  // of the VXLAN header on
    uint32_t length;
    uint16_t message;  // that brought it: the sender is the same
    bool done;
    bool truncated;
  };
  // What becomes of a datagram.
  struct Verdict {
    VxlanPort* tunnel;  // null: refused
    RemoteIndex remote;
    Drop reason;
    bool operator==(const Verdict&) const = default;
  };
  struct Message {
    sockaddr_storage name;
    alignas(cmsghdr) std::array<std::byte, 64> control;
    iovec piece;
  };

  bool fetch();
  void prepare(size_t message);
  void take_apart(size_t message, const mmsghdr& header);
  [[nodiscard]] Verdict judge(const Datagram& datagram, const VniTable& tunnels) const;
  void put(Burst& burst, Datagram& datagram, const Verdict& verdict);

  KernelUnderlay& underlay_;
  std::unique_ptr<std::byte[]> buffers_;
  std::vector<Message> messages_;
  std::vector<mmsghdr> headers_;
  std::vector<Datagram> datagrams_;
  size_t used_ = 0;  // of headers_, to be prepared again
  size_t count_ = 0;
  size_t next_ = 0;  // the first that is not done
};

class KernelUnderlay final : public Underlay {
 public:
  struct Options {
    IpAddress local;
    uint16_t port = vxlan::kUdpPort;
    bool inherit_dscp = false;
    bool segment = true;  // UDP_SEGMENT: wants checksums
  };
  KernelUnderlay(const Options& options, KernelSockets sockets)
      : options_(options), sockets_(std::move(sockets)), segment_(options.segment) {}

  void send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel, uint16_t worker,
            PortCounters& counters) override;

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const KernelSockets& sockets() const { return sockets_; }

 private:
  class Sender;

  const Options options_;
  const KernelSockets sockets_;
  std::atomic<bool> segment_;  // false once the way out has turned out not to do it
};

// The socket address of a VTEP.
socklen_t socket_address(const IpAddress& address, uint16_t port, sockaddr_storage& name);

}  // namespace memswitch
