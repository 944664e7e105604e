// Frames that lie elsewhere, in buffers of a device: each whole in one buffer where it fits, else in a chain of them.
#pragma once

#include <rte_mbuf.h>

#include <array>

#include "dataplane/frame.h"

namespace memswitch {

// What goes out in one call.
struct EthdevBatch {
  std::array<rte_mbuf*, kBurst> buffers;  // null: the frame is still to be copied
  std::array<uint8_t, kBurst> frames;     // of the burst
  uint16_t count = 0;
  uint16_t missing = 0;  // buffers that are null
};

// Copies what is still to be copied. Where the pool has too few buffers, some stay null.
void copy_missing(EthdevBatch& batch, const Burst& burst, rte_mempool* pool);

}  // namespace memswitch
