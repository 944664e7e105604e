// A port of the load where the underlay of a tunnel is another kind than what is inside.
#pragma once

#include <memory>

#include "bench/packet_socket.h"
#include "bench/peer.h"

namespace memswitch::bench {

// One kind or the other, which costs a branch a call.
class EitherPort {
 public:
  explicit EitherPort(std::unique_ptr<Peer> memif) : memif_(std::move(memif)) {}
  explicit EitherPort(std::unique_ptr<PacketSocket> socket) : socket_(std::move(socket)) {}

  void look() { memif_ ? memif_->look() : socket_->look(); }
  std::byte* claim(uint32_t length) {
    return memif_ ? memif_->claim(length) : socket_->claim(length);
  }
  void flush() { memif_ ? memif_->flush() : socket_->flush(); }
  bool taken() { return memif_ ? memif_->taken() : socket_->taken(); }
  template <typename Visit>
  uint32_t receive(Visit visit) {
    return memif_ ? memif_->receive(visit) : socket_->receive(visit);
  }

 private:
  std::unique_ptr<Peer> memif_;
  std::unique_ptr<PacketSocket> socket_;
};

}  // namespace memswitch::bench
