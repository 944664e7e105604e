// All ports' numbers for a scrape: one row of doubles a port, exact up to 2^53, kept by JavaScript between two looks so that
// only rows that moved cost anything. Objects and bigints of 1,000 ports take 8 ms a look, this 0.1 ms.
#pragma once

#include <napi.h>

#include <span>
#include <vector>

#include "control/switch.h"

namespace memswitch::binding {

// Flags, attaches, protocol errors by kind, then the counters of PortCounters, then all that only grows added up (a uint64_t):
// as long as that stays, the row does.
inline constexpr size_t kRowErrors = 2;
inline constexpr size_t kRowCounters = kRowErrors + memif::kFaults - 1;
inline constexpr size_t kRowTotal =
    kRowCounters + offsetof(PortCounters, drops) / sizeof(Counter) + kDropReasons;
inline constexpr size_t kRowStride = kRowTotal + 1;

// Writes each port's row at its id, and in row 0 the sums of their counters; returns the ids whose row differs from what it
// held. All rows are written anew when ports came or went since.
std::vector<uint32_t> read_port_rows(Switch& from, std::span<double> rows);

Napi::Object row_layout(Napi::Env env);

}  // namespace memswitch::binding
