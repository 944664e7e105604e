#include "dataplane/take_private.h"

#include <algorithm>
#include <cstring>

#include "dataplane/pieces.h"

namespace memswitch {

std::span<const std::byte> take_private(Burst& burst, uint16_t index, std::span<std::byte> room) {
  Frame& frame = burst.frames[index];
  const uint32_t pieces = frame.segments + 1U;
  if (burst.segments + pieces > kBurstPieces) {
    return {};
  }
  const auto size = static_cast<uint32_t>(std::min<size_t>(room.size(), frame.length));
  uint32_t known = std::min(size, kHeaderBytes);
  std::memcpy(room.data(), burst.headers[index].data(), known);
  const uint16_t first = burst.segments;
  each_piece(burst, frame, known, frame.length - known,
             [&](const std::byte* data, uint32_t length) {
               const uint32_t part = std::min(length, size - known);
               std::memcpy(room.data() + known, data, part);
               known += part;
               if (length > part) {
                 burst.pieces[burst.segments++] = {data + part, length - part};
               }
             });
  frame.data = room.data();
  frame.first_length = size;
  frame.segment = first;
  frame.segments = static_cast<uint16_t>(burst.segments - first);
  return room.first(size);
}

}  // namespace memswitch
