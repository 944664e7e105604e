#include "ports/ip_mode.h"

#include <algorithm>
#include <cstring>

#include "dataplane/fate.h"
#include "dataplane/headers.h"
#include "dataplane/worker.h"

namespace memswitch {

namespace {

uint16_t ether_type(const std::byte* header) {
  return static_cast<uint16_t>(std::to_integer<unsigned>(header[12]) << 8 |
                               std::to_integer<unsigned>(header[13]));
}

}  // namespace

IpMode::IpMode(const IpStation& station) : address_(station.address), ipv4_{}, ipv6_{} {
  for (auto [header, type] : {std::pair{&ipv4_, kEtherIpv4}, std::pair{&ipv6_, kEtherIpv6}}) {
    std::memcpy(header->data(), &station.gateway, 6);
    std::memcpy(header->data() + 6, &station.address, 6);
    (*header)[12] = static_cast<std::byte>(type >> 8);
    (*header)[13] = static_cast<std::byte>(type & 0xff);
  }
}

// The header becomes the first piece of each frame, so all pieces move up by as many places as frames come before
// them: from the last frame to the first, in place.
void IpMode::add_headers(Burst& burst) const {
  auto end = static_cast<uint16_t>(burst.segments + burst.count);
  burst.segments = end;
  for (uint16_t i = burst.count; i-- > 0;) {
    Frame& frame = burst.frames[i];
    Segment* const pieces = burst.pieces.data();
    std::copy_backward(pieces + frame.segment, pieces + frame.segment + frame.segments,
                       pieces + end);
    end = static_cast<uint16_t>(end - frame.segments - 1);
    pieces[end] = {frame.data, frame.first_length};
    // One look at the peer's memory. Should it say something else afterwards, the receiver gets what it deserves: a
    // packet that is not what its header says.
    const unsigned version =
        frame.first_length == 0 ? 0 : std::to_integer<unsigned>(*frame.data) >> 4;
    const bool known = version == 4 || version == 6;
    frame.segment = end;
    frame.segments = known ? static_cast<uint16_t>(frame.segments + 1) : uint16_t{0};
    frame.data = version == 6 ? ipv6_.data() : ipv4_.data();
    frame.first_length = known ? kHeader : 0;
    frame.length = known ? frame.length + kHeader : 0;
  }
}

bool IpMode::takes(const Burst& burst, uint8_t frame) const {
  const uint16_t type = ether_type(burst.headers[frame].data());
  const Mac to = burst.destination(frame);
  return (type == kEtherIpv4 || type == kEtherIpv6) && (to == address_ || is_group(to));
}

// The snapshot without its header first, then what follows it in the sender's memory.
void IpMode::strip(const Burst& burst, uint8_t i, Burst& packets) {
  const Frame& frame = burst.frames[i];
  const uint32_t known = std::min(frame.length, kHeaderBytes);
  Frame& packet = packets.frames[packets.count++];
  packet = {.data = burst.headers[i].data() + kHeader,
            .buffer = nullptr,
            .length = frame.length - kHeader,
            .first_length = known - kHeader,
            .segment = packets.segments,
            .segments = 0};
  uint32_t skip = known;
  Segment piece{frame.data, frame.first_length};
  for (uint16_t s = 0;; ++s) {
    const uint32_t part = std::min(skip, piece.length);
    skip -= part;
    if (piece.length > part) {
      packets.pieces[packets.segments++] = {piece.data + part, piece.length - part};
      ++packet.segments;
    }
    if (s == frame.segments) {
      return;
    }
    piece = burst.pieces[frame.segment + s];
  }
}

Burst& IpMode::strip_headers(Burst& burst, std::span<const uint8_t>& which,
                             PortCounters& counters) {
  Burst& packets = *packets_;
  packets.count = packets.segments = 0;
  for (const uint8_t i : which) {
    if (takes(burst, i)) {
      taken_[packets.count] = i;
      packets.fate[packets.count] = kUnderWay;
      strip(burst, i, packets);
    } else {
      drop(burst, i, Drop::kNotIp, counters);
    }
  }
  snapshot(packets);
  which = {taken_.data(), packets.count};
  return packets;
}

void IpMode::pass_on_fates(Burst& burst, std::span<const uint8_t> which) const {
  for (size_t p = 0; p < which.size(); ++p) {
    burst.fate[which[p]] = packets_->fate[p];
  }
}

}  // namespace memswitch
