// Bounds of the switch. TypeScript reads them from here by way of the binding.
#pragma once

#include <cstdint>

namespace memswitch {

inline constexpr uint16_t kMaxWorkers = 64;
inline constexpr uint16_t kMaxPorts = 4096;
inline constexpr uint16_t kMaxBridges = 4096;
inline constexpr uint16_t kMaxQueues = 256;
inline constexpr uint16_t kMaxRemotes = 1024;  // of one tunnel, and one more
inline constexpr uint32_t kMaxMacs = 4'000'000;
inline constexpr uint16_t kMaxAgeing =
    32767;  // seconds: half of what a 16-bit clock can tell apart

inline constexpr uint16_t kMaxDevargs = 1024;      // bytes
inline constexpr uint16_t kMaxDeviceRing = 32768;  // descriptors
inline constexpr uint16_t kMaxDeviceMtu = 16000;   // more than any device has

using PortId = uint16_t;  // 1 to kMaxPorts - 1
inline constexpr PortId kNoPort = 0;

}  // namespace memswitch
