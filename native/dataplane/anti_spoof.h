// Whether a frame says of itself what its port may say: by its Ethernet source, its IP source, and by what it tells others
// to remember: the sender in ARP (RFC 826), and in Neighbour Discovery (RFC 4861) the target of an advertisement and the
// link-layer addresses.
//
// A host that has no address yet may ask for one: DHCP from 0.0.0.0 (RFC 2131, 4.1), ARP probes (RFC 5227), duplicate
// address detection and what goes with it from :: (RFC 4862, 5.4; RFC 3810, 5.2.13), if it asks for an address of its own.
// What hides its sender is refused: more than two tags, SNAP, headers that end too early, and Neighbour Discovery in
// fragments or behind extension headers (RFC 6980, RFC 7113).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dataplane/drops.h"
#include "dataplane/frame.h"

namespace memswitch {

// Who may speak at a port. Empty lists: anybody.
struct Senders {
  template <typename Address>
  struct Range {
    Address first;
    Address last;
  };
  using Ipv6 = unsigned __int128;

  std::vector<Mac> macs;              // ascending
  std::vector<Range<uint32_t>> ipv4;  // ascending, apart from each other
  std::vector<Range<Ipv6>> ipv6;      // likewise
  bool any_ip = true;                 // the two lists above do not count

  [[nodiscard]] bool has(Mac mac) const;
  [[nodiscard]] bool has_ipv4(uint32_t address) const;
  [[nodiscard]] bool has_ipv6(Ipv6 address) const;
};

// Of the snapshot: its last bytes make room when a VLAN tag is put on, and would be read again from the sender's memory.
inline constexpr uint32_t kJudgedBytes = kHeaderBytes - 4;

// Why the frame is refused, its source address aside; none: it is not. `head`: private, the frame's first bytes: all of
// them, or kJudgedBytes, or kPrivateBytes, more than Neighbour Discovery has in any sane use. `needs_more` is set when
// that is not enough to say; then it must be asked again with more.
std::optional<Drop> find_spoof(const Senders& senders, std::span<const std::byte> head,
                               uint32_t length, bool& needs_more);

}  // namespace memswitch
