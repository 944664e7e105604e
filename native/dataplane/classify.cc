// Ethernet addresses out of the snapshot. Lengths are checked here, once, and trusted from here on. VLAN tags stay
// where they are: a bridge carries them through untouched.
#include <algorithm>
#include <cstring>

#include "dataplane/worker.h"

namespace memswitch {

namespace {

Mac load_mac(const std::byte* at) {
  Mac mac;
  std::memcpy(&mac, at, sizeof mac);  // two bytes too many, inside the snapshot
  return mac & kMacMask;
}

}  // namespace

void classify(Burst& burst, PortCounters& in, uint32_t max_frame) {
  uint64_t bytes = 0;
  uint32_t longest = 0;
  for (uint16_t i = 0; i < burst.count; ++i) {
    const std::byte* header = burst.headers[i].data();
    const uint32_t length = burst.frames[i].length;
    bytes += length;
    longest = std::max(longest, length);
    burst.destination[i] = load_mac(header);
    burst.source[i] = load_mac(header + 6);
    burst.dropped[i] = false;
    if (length < kMinFrame || length > max_frame) [[unlikely]] {
      burst.dropped[i] = true;
      in.drop(length < kMinFrame ? Drop::kRunt : Drop::kOversize);
    } else if (is_group(burst.source[i]) || burst.source[i] == 0) [[unlikely]] {
      burst.dropped[i] = true;
      in.drop(Drop::kBadSource);
    }
  }
  burst.longest = longest;
  in.rx_frames.add(burst.count);
  in.rx_bytes.add(bytes);
}

}  // namespace memswitch
