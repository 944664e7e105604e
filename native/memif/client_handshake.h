// The client's half of the handshake, and the memory it brings: one region with all rings and, behind them, a
// buffer for each slot. Owns no socket. The protocol is lock-step: HELLO brings INIT, and each ACK the next record.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "memif/channel.h"
#include "memif/link.h"

namespace memswitch::memif {

struct ClientOptions {
  uint32_t id = 0;
  std::string name = "memswitch";
  std::string secret{};
  uint16_t queues = 1;
  uint8_t log2_ring_size = 10;
  uint32_t buffer_size = 2048;
  Mode mode = Mode::kEthernet;
  uint8_t cache_line = kCacheLine;  // to lay rings out by: the server's
};

class ClientHandshake {
 public:
  enum class Step { kSend, kConnected, kEnd };

  explicit ClientHandshake(ClientOptions options) : options_(std::move(options)) {}

  // Takes a message of the server. kSend: send `answer` with `fd` unless negative. kEnd: reason() says why.
  Step take(const Record& record, Message& answer, int& fd);

  // Queue i transmits by tx[i] and receives from rx[i].
  [[nodiscard]] Link& link() { return link_; }
  [[nodiscard]] const Reason& reason() const { return reason_; }

 private:
  struct Queued {
    Message message;
    int fd;
  };

  Reason prepare(const Hello& hello);
  Reason make_memory(uint16_t queues);
  Reason make_ring(bool from_client, uint16_t index, uint32_t& offset);
  void introduce();
  void lend_buffers();
  Step next(Message& answer, int& fd);

  ClientOptions options_;
  Link link_;
  UniqueFd file_;  // of the region
  std::deque<Queued> queue_;
  bool greeted_ = false;
  bool connected_ = false;
  Reason reason_;
};

}  // namespace memswitch::memif
