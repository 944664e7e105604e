// More of a frame's first bytes into private memory than the snapshot holds, for the few frames that are judged by them.
// From then on the frame begins there: what was judged is what is delivered.
#pragma once

#include <array>
#include <span>

#include "dataplane/frame.h"

namespace memswitch {

inline constexpr uint32_t kPrivateBytes = 256;  // of one frame, at most
using PrivateRoom = std::array<std::array<std::byte, kPrivateBytes>, kBurst>;

// Copies as much of the frame as there is room for, and returns it; nothing, when the burst has no place to note the
// frame's further pieces. The room must stay as long as the burst.
std::span<const std::byte> take_private(Burst& burst, uint16_t index, std::span<std::byte> room);

}  // namespace memswitch
