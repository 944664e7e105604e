// VLANs of a bridge (IEEE 802.1Q): each port carries some, and the frames of one neither reach nor teach another.
//
// A frame's VLAN is said by its outer tag, or, without one, by its port. From then on it stands above the address in the
// run's Mac, so that all that goes by addresses goes by VLANs as well. Tags are put on and taken off in the snapshot: the
// frame's own bytes stay where they are, and are counted from four bytes earlier or later.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/frame.h"
#include "dataplane/take_private.h"

namespace memswitch {

struct PortCounters;

// What a port carries.
class Vlans {
 public:
  // Of frames without a tag, in both directions; 0: none. All others have a tag.
  uint16_t untagged = 0;

  void add(uint16_t vlan) { tagged_[vlan / 64] |= uint64_t{1} << vlan % 64; }
  [[nodiscard]] bool tags(uint16_t vlan) const {
    return (tagged_[vlan / 64] >> vlan % 64 & 1) != 0;
  }
  [[nodiscard]] bool any() const { return tagged_ != decltype(tagged_){}; }
  [[nodiscard]] bool carries(uint16_t vlan) const { return vlan == untagged || tags(vlan); }

 private:
  std::array<uint64_t, kVlans / 64> tagged_{};
};

// Where the frames of a burst come in: finds their VLANs, and cuts the runs anew by them. Those that the port does not
// carry are dropped, and those dropped before are in no run any more.
void sort_by_vlan(Burst& burst, const Vlans& vlans, PortCounters& in);

// Where frames of such a burst leave: puts tags on and takes them off, as the port has them. Those that it does not carry
// are dropped. A frame that goes to several ports comes here once for each.
std::span<const uint8_t> retag(Burst& burst, std::span<const uint8_t> which, const Vlans& vlans,
                               PortCounters& out, PrivateRoom& room,
                               std::array<uint8_t, kBurst>& kept);

}  // namespace memswitch
