// What a client has brought when the handshake ends: its memory, mapped, and the places of its rings, all checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memif/channel.h"
#include "memif/fd.h"
#include "memif/link.h"
#include "memif/region.h"

namespace memswitch::memif {

struct RingPlace {
  uint16_t region = 0;
  uint32_t offset = 0;
  uint8_t log2_size = 0;
  UniqueFd doorbell;
};

struct Attachment {
  uint32_t id = 0;
  std::string peer;                 // the name the client gives itself, cleaned
  uint8_t cache_line = kCacheLine;  // that its rings are laid out by
  std::vector<Region> regions;
  std::vector<RingPlace> from_client;  // S2M, by queue
  std::vector<RingPlace> to_client;    // M2S, by queue
};

// The link that an attachment makes, in the server's role, for this process to poll. Our position in each ring is
// where the client's memory says: a client may have filled its rings before.
Link server_link(Attachment attachment);

// Whether the descriptor is an eventfd. Anything else could make the poll thread that writes to it wait.
bool is_eventfd(const UniqueFd& fd);

}  // namespace memswitch::memif
