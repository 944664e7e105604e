// Tunnelled frames of an underlay, whatever is in them. Input: what the VTEP listens to, how much longer the frame is than
// the bytes that follow, then the frame.
#include "vxlan/decapsulate.h"

#include <vector>

#include "test/fuzz/fuzz.h"
#include "vxlan/flow.h"
#include "vxlan/wire.h"

namespace fuzz {

using namespace memswitch;

void decapsulate(Bytes bytes) {
  Input input(bytes);
  const auto how = input.take<uint8_t>();
  const std::array<uint8_t, 4> local4{192, 0, 2, 2};
  const std::array<uint8_t, 16> local6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
  const vxlan::Endpoint endpoint{
      .local = (how & 1) != 0 ? IpAddress::ipv4(local4.data()) : IpAddress::ipv6(local6.data()),
      .port = 4789,
      .vlan = (how & 2) != 0 ? uint16_t{100} : uint16_t{0},
      .zero_checksum6 = (how & 4) != 0};
  const uint32_t more = (how & 8) != 0 ? input.take<uint16_t>() : 0U;
  // On the heap to its exact size, so that every byte read behind it is seen.
  const size_t rest = bytes.size() - std::min<size_t>(bytes.size(), (how & 8) != 0 ? 3 : 1);
  std::vector<std::byte> head(std::min<size_t>(rest, vxlan::kMaxOuter));
  input.take(head.data(), head.size());
  const auto length =
      static_cast<uint32_t>(head.size() < vxlan::kMaxOuter ? head.size() : rest + more);

  const vxlan::Decapsulated out = vxlan::decapsulate(head, length, endpoint);
  if (!out.drop) {
    hold(out.inner + out.length <= length, "the inner frame is inside the outer one");
    hold(out.inner <= head.size(), "the headers were private");
    hold(out.vni <= vxlan::kMaxVni, "a VNI has 24 bits");
  }
  vxlan::flow_hash(head);
  vxlan::inner_dscp(head);
}

}  // namespace fuzz
