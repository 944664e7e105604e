// Why a frame ended without being transmitted. The one list: names, sides and words go from here to the
// statistics, the metrics and the command.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace memswitch {

enum class Drop : uint8_t {
  kRunt,
  kOversize,
  kBadSource,
  kReserved,
  kNoBridge,
  kNoDestination,
  kSamePort,
  kLinkDown,
  kRingFull,
  kNoRoom,
  kTooLong,
  kQueueBusy,
};

inline constexpr size_t kDropReasons = static_cast<size_t>(Drop::kQueueBusy) + 1;

struct DropText {
  const char* name;
  bool at_tx;  // counted at the port the frame was to leave by, not where it came in
  const char* help;
};

inline constexpr std::array<DropText, kDropReasons> kDropTexts{{
    {"runt", false, "The frame is shorter than an Ethernet header (14 bytes)."},
    {"oversize", false, "The frame is longer than the MTU of the port it came from allows."},
    {"bad_source", false, "The source address is zero or a group address, which nobody can have."},
    {"reserved", false,
     "The destination is one of 01:80:C2:00:00:00 to 0F, which a bridge must not forward (IEEE "
     "802.1Q 8.6.3)."},
    {"no_bridge", false, "The port was being removed from its bridge."},
    {"no_destination", false,
     "No port to go to: unknown or group destination with flooding off, or no other port is up."},
    {"same_port", false, "The destination is behind the port the frame came from."},
    {"link_down", true, "The destination's port has no peer attached."},
    {"ring_full", true, "The receiver has no free buffer: it takes frames slower than they come."},
    {"no_room", true, "The frame is longer than the receiver's buffers together."},
    {"too_long", true, "The frame is longer than the MTU of the port it was to leave by allows."},
    {"queue_busy", true, "Another worker held the port's transmit queue for too long."},
}};

}  // namespace memswitch
