// What comes in from the underlay `kernel`: datagrams of the socket that all tunnels of a VTEP share, by recvmmsg, taken
// apart where the stack has joined them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <vector>

#include "ports/port.h"
#include "ports/vxlan_kernel.h"
#include "tables/tunnel_table.h"

namespace memswitch {

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

}  // namespace memswitch
