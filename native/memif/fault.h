// What a peer can do wrong, by kind. The one list: names and words go from here to the peer, the events, the
// statistics and the metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace memswitch::memif {

enum class Fault : uint8_t {
  kNone,  // nobody's, or told by the peer itself
  // in the handshake
  kRecord,
  kOrder,
  kDescriptors,
  kRefused,
  kRegion,
  kRing,
  kWrongCookie,
  kTimeout,
  // in the rings
  kIndexJump,
  kBadRegion,
  kOutsideRegion,
  kEndlessChain,
  kLostMemory,
};

inline constexpr size_t kFaults = static_cast<size_t>(Fault::kLostMemory) + 1;

struct FaultText {
  const char* name;
  const char* words;
};

inline constexpr std::array<FaultText, kFaults> kFaultTexts{{
    {"none", ""},
    {"record", "a record that is not 128 bytes"},
    {"order", "message out of order"},
    {"descriptors", "message with too few or too many descriptors"},
    {"refused", "version, mode, id, secret or user not accepted"},
    {"region", "region not accepted"},
    {"ring", "ring not accepted"},
    {"cookie", "wrong cookie in a ring"},
    {"timeout", "the handshake took too long"},
    {"index_jump", "ring index moved by more than the ring's size"},
    {"bad_region", "descriptor names a region that was not announced"},
    {"outside_region", "descriptor reaches outside its region"},
    {"endless_chain", "chained descriptors never end"},
    {"lost_memory", "a region's memory vanished: its file was cut short, or no page could be had"},
}};

constexpr const char* words(Fault fault) {
  return kFaultTexts[static_cast<size_t>(fault)].words;
}

// Why something was refused, for the peer and for people; empty: it was not.
struct Reason {
  Reason() = default;
  Reason(Fault kind, std::string what) : fault(kind), text(std::move(what)) {}
  explicit Reason(Fault kind) : Reason(kind, words(kind)) {}

  [[nodiscard]] bool empty() const { return text.empty(); }

  Fault fault = Fault::kNone;
  std::string text;
};

}  // namespace memswitch::memif
