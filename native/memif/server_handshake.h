// The server's half of the handshake: one message in, one answer out, nothing believed. It owns no socket, so that
// tests and fuzzers can speak to it directly.
//
//   state        takes                          goes to
//   kInit        INIT                           kRegions
//   kRegions     ADD_REGION                     kRegions
//                ADD_RING                       kRings
//   kRings       ADD_RING                       kRings
//                CONNECT                        kConnected
//   kConnected   DISCONNECT                     end
//   any          DISCONNECT                     end
// Everything else ends the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "memif/attachment.h"
#include "memif/channel.h"
#include "memif/wire.h"

namespace memswitch::memif {

// What the server allows an interface.
struct Interface {
  std::string secret{};  // empty: none asked for
  uint16_t queues = 1;
  uint8_t log2_ring_size = 10;
  Mode mode = Mode::kEthernet;
  uint8_t cache_line = 0;  // that rings are laid out by; 0: as their places tell
  Region::Policy memory{};
};

class ServerHandshake {
 public:
  enum class Step { kAnswer, kConnect, kEnd };

  // Finds what is configured under an interface id. A refusal says why in `reason`.
  using Find = std::function<std::optional<Interface>(uint32_t id, Reason& reason)>;

  explicit ServerHandshake(Find find) : find_(std::move(find)) {}

  static Message hello(const std::string& name, const Interface& limits);

  // Takes a message, and of its descriptors what it keeps. kAnswer: send `answer`. kConnect: attachment() is whole; make the link, then send `answer`.
  // kEnd: `reason` says why, in the peer's words when `by_peer`.
  Step take(Record& record, Message& answer);

  [[nodiscard]] Attachment& attachment() { return attachment_; }
  [[nodiscard]] const Reason& reason() const { return reason_; }
  [[nodiscard]] bool by_peer() const { return by_peer_; }

 private:
  enum class State { kInit, kRegions, kRings, kConnected };

  Reason take_init(const Init& init);
  Reason take_region(const AddRegion& add, const UniqueFd& file);
  Reason take_ring(const AddRing& add, UniqueFd& doorbell);
  Reason take_connect();
  Reason check_place(const RingPlace& place, uint8_t cache_line) const;
  Reason settle_layout();
  Reason dispatch(Record& record);
  Step end(Reason reason);

  Find find_;
  std::optional<Interface> interface_;
  State state_ = State::kInit;
  Attachment attachment_;
  uint64_t mapped_bytes_ = 0;
  Reason reason_;
  bool by_peer_ = false;
};

}  // namespace memswitch::memif
