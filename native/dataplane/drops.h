// Why a frame ended without being transmitted. The one list: names, sides and words go from here to the
// statistics, the metrics and the command.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace memswitch {

enum class Drop : uint8_t {
  kRunt,
  kOversize,
  kBadSource,
  kReserved,
  kNoBridge,
  kNoDestination,
  kSamePort,
  kLinkDown,
  kRingFull,
  kNoRoom,
  kTooLong,
  kNotIp,
  kQueueBusy,
  kBadOuterLength,
  kBadOuterChecksum,
  kFragment,
  kNotTunnel,
  kWrongVtep,
  kBadVxlan,
  kUnknownVni,
  kUnknownRemote,
  kSplitHorizon,
  kNoRemote,
  kUnresolved,
  kUnderlayFull,
  kUnderlayError,
  kMirrorPort,
  kMirrorLost,
  kNoBuffer,
  kIsolated,
  kSpoofedMac,
  kSpoofedIp,
  kRxRate,
  kTxRate,
  kStorm,
  kVlan,
  kNotMember,
  kReflected,
};

inline constexpr size_t kDropReasons = static_cast<size_t>(Drop::kReflected) + 1;

// What has become of a frame so far: on its way, or dropped, and why.
using Fate = uint8_t;
inline constexpr Fate kUnderWay = 0;
constexpr Fate fate_of(Drop reason) {
  return static_cast<Fate>(static_cast<uint8_t>(reason) + 1);
}
static_assert(kDropReasons < UINT8_MAX);

struct DropText {
  const char* name;
  bool at_tx;  // counted at the port the frame was to leave by, not where it came in
  const char* help;
};

inline constexpr std::array<DropText, kDropReasons> kDropTexts{{
    {"runt", false,
     "The frame is shorter than an Ethernet header (14 bytes), or, from a port of mode ip, no IP "
     "packet."},
    {"oversize", false, "The frame is longer than the MTU of the port it came from allows."},
    {"bad_source", false, "The source address is zero or a group address, which nobody can have."},
    {"reserved", false,
     "The destination is one of 01:80:C2:00:00:00 to 0F, which a bridge must not forward (IEEE "
     "802.1Q 8.6.3)."},
    {"no_bridge", false, "The port was being removed from its bridge."},
    {"no_destination", false,
     "No port to go to: unknown or group destination with flooding off, or no other port is up."},
    {"same_port", false, "The destination is behind the port the frame came from."},
    {"link_down", true, "The destination's port has no peer attached."},
    {"ring_full", true, "The receiver has no free buffer: it takes frames slower than they come."},
    {"no_room", true, "The frame is longer than the receiver's buffers together."},
    {"too_long", true,
     "The frame is longer than the MTU of the port it was to leave by allows, or, with its outer "
     "headers, than the way to a tunnel's remote carries; lower the MTU inside."},
    {"not_ip", true,
     "A port of mode ip takes IPv4 and IPv6 packets only, to its own address or to a group."},
    {"queue_busy", true, "Another worker held the port's transmit queue for too long."},
    {"bad_outer_length", false, "The lengths in a tunnel's outer headers do not fit the frame."},
    {"bad_outer_checksum", false,
     "The outer IP or UDP checksum is wrong, or one is missing over IPv6."},
    {"outer_fragment", false,
     "A tunnel's datagram came in fragments; raise the MTU of the way (RFC 7348, 4.3)."},
    {"not_tunnel", false, "A frame on an underlay port that is not for a tunnel."},
    {"wrong_vtep", false, "The outer destination is not this VTEP's address."},
    {"bad_vxlan", false, "The VXLAN header's flag I is not set: it names no network."},
    {"unknown_vni", false, "No tunnel of this VTEP has the frame's VNI."},
    {"unknown_remote", false,
     "The frame came from a VTEP that is not one of the tunnel's remotes; list it, or set learn."},
    {"split_horizon", false, "The destination is behind another tunnel of the same bridge."},
    {"no_remote", true, "The tunnel has no remote to send to."},
    {"unresolved", true, "Nobody answers for the address of the remote or of the gateway to it."},
    {"underlay_full", true, "The underlay takes no more frames: it is slower than they come."},
    {"underlay_error", true, "The underlay refused to send: no way to the remote, or no right."},
    {"mirror_port", false,
     "The frame came in from a port that gets the copies of a mirror; such a port only sends."},
    {"mirror_lost", true,
     "A copy for a mirror was not sent: the port it was to leave by is down, full, or takes no "
     "such frame."},
    {"no_buffer", true,
     "The device's buffers are used up: frames wait in its transmit queue, or in other devices'."},
    {"isolated", false, "The destination is behind a port that is isolated, as this one is."},
    {"spoofed_mac", false,
     "The source address, or the sender's in ARP or Neighbour Discovery, is not one that the port "
     "may have (antiSpoof.macs)."},
    {"spoofed_ip", false,
     "The IP source, or the sender's address in ARP or Neighbour Discovery, is not one that the "
     "port may have (antiSpoof.ips), or the packet hides it."},
    {"rx_rate_limit", false, "The port sends more than its limit takes (rateLimit.rx)."},
    {"tx_rate_limit", true,
     "More was to leave by the port than its limit lets pass (rateLimit.tx)."},
    {"storm", false,
     "The port sends more broadcast, multicast or unknown unicast than its storm control takes "
     "(storm)."},
    {"vlan", false,
     "The port does not carry the frame's VLAN: a tag it does not take, or none on a trunk without "
     "native (access, trunk, native)."},
    {"not_member", true,
     "The port that the destination is behind does not carry the frame's VLAN (any more)."},
    {"reflected", false,
     "An uplink sent a frame of a vepa port back that is for nobody else here: its sender does not "
     "get it."},
}};

}  // namespace memswitch
