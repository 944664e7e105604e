// The headers in front of a tunnelled frame, made once for each remote and patched for each frame.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/frame.h"
#include "vxlan/checksum.h"
#include "vxlan/ip_address.h"

namespace memswitch::vxlan {

// Ethernet, a VLAN tag, IPv6, UDP, VXLAN are 14 + 4 + 40 + 8 + 8 bytes; they are written as whole registers of 16.
inline constexpr uint32_t kOuterRoom = 80;

struct OuterOptions {
  Mac source_mac = 0;
  Mac destination_mac = 0;  // of the remote, or of the gateway to it
  uint16_t vlan = 0;        // 0: untagged
  IpAddress local;
  IpAddress remote;
  uint16_t port = 0;  // UDP's destination
  uint8_t ttl = 64;
  uint8_t tos = 0;
  bool dont_fragment = true;  // IPv4's flag; over IPv6 a datagram is never fragmented on its way
  uint32_t vni = 0;
};

class OuterTemplate {
 public:
  OuterTemplate() = default;
  explicit OuterTemplate(const OuterOptions& options);

  [[nodiscard]] uint32_t size() const { return size_; }

  struct Patch {
    uint32_t inner_length;
    uint16_t source_port;  // host order
    uint16_t id =
        0;  // IPv4's identification; of no use while "don't fragment" is set (RFC 6864, 4.1)
    // OR-ed into the template's, which is 0 then.
    uint8_t tos = 0;
  };
  // Writes size() bytes to `to`, which has room for kOuterRoom. UDP's checksum is zero, that is none; see seal().
  void write(std::byte* to, const Patch& patch) const;
  // Fills UDP's checksum in, of headers that write() has made and the sum of the inner frame.
  void seal(std::byte* headers, const Checksum& inner) const;
  // Leaves it to a device instead: gives it the pseudo header's sum, which the device adds the rest to.
  void begin_checksum(std::byte* headers) const;
  [[nodiscard]] uint8_t ip() const { return static_cast<uint8_t>(ip_); }

 private:
  [[nodiscard]] Checksum pseudo_header(const std::byte* headers, uint16_t udp_length) const;

  std::array<std::byte, kOuterRoom> bytes_{};
  uint32_t size_ = 0;
  uint32_t ip_ = 0;   // offset of the IP header
  uint32_t udp_ = 0;  // offset of the UDP header
  bool ipv4_ = false;
  uint8_t tos_ = 0;
  uint16_t ip_sum_ = 0;  // of the IPv4 header without total length, id and TOS
};

}  // namespace memswitch::vxlan
