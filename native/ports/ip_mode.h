// Ports of memif's mode ip, whose peers send and take IP packets without an Ethernet header. On the bridge such a peer is
// one station: packets from it get the header of a frame from its address to its gateway's, and of the frames that
// come to it only IP packets to its address, or to a group, are let through, without their header. Both go by the way
// of frames in pieces, so nothing else on the way of a burst knows of it.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "dataplane/counters.h"
#include "dataplane/frame.h"

namespace memswitch {

struct IpStation {
  Mac address;
  Mac gateway;  // who takes all its packets
};

class IpMode {
 public:
  explicit IpMode(const IpStation& station);

  // Makes frames of the burst's packets. What is neither IPv4 nor IPv6 becomes a frame without a byte: a runt.
  void add_headers(Burst& burst) const;
  // Makes packets of the frames `which`, in a burst of their own, and drops the others; `which` is what is left. Valid as
  // long as `burst` is.
  Burst& strip_headers(Burst& burst, std::span<const uint8_t>& which, PortCounters& counters);

  // What became of the packets became of the frames `which` that they were made of.
  void pass_on_fates(Burst& burst, std::span<const uint8_t> which) const;

  static constexpr uint32_t kHeader = 14;  // bytes

 private:
  using Header = std::array<std::byte, kHeader>;

  [[nodiscard]] bool takes(const Burst& burst, uint8_t frame) const;
  static void strip(const Burst& burst, uint8_t i, Burst& packets);

  Mac address_;
  Header ipv4_;
  Header ipv6_;
  std::array<uint8_t, kBurst> taken_;
  std::unique_ptr<Burst> packets_ = std::make_unique<Burst>();
};

}  // namespace memswitch
