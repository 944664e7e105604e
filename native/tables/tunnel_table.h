// What a tunnel knows of its remotes (VTEPs), and a VTEP of its tunnels.
//
// A remote has an index for as long as it is known. Poll threads find it by its address for each burst, and take up new
// ones without waiting; control adds and removes. An index is free again only when every worker has passed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/frame.h"
#include "tables/limits.h"
#include "tables/mac_table.h"
#include "tables/quota.h"
#include "vxlan/ip_address.h"

namespace memswitch {

class VxlanPort;

using RemoteIndex = PortId;  // what a MacTable can hold: 1 to kMaxRemotes - 1
inline constexpr RemoteIndex kNoRemote = 0;
static_assert(kMaxRemotes <= kMaxPorts);

struct Remote {
  enum class State : uint8_t { kFree, kLearned, kConfigured, kLeaving };

  IpAddress address;  // changes only while free
  std::atomic<State> state{State::kFree};
  std::atomic<bool> heard_once{false};
  std::atomic<MacTable::Age> heard{0};  // when a frame last came from it
  std::atomic<uint16_t> mtu{0};         // of the way to it, as the underlay knows it; 0: unknown
  std::atomic<uint32_t> longest{kMaxFrame};  // bytes of the longest frame that passes

  [[nodiscard]] bool is_known() const {
    const State now = state.load(std::memory_order_acquire);
    return now == State::kLearned || now == State::kConfigured;
  }
};

class RemoteTable {
 public:
  RemoteTable();

  // Any thread.
  [[nodiscard]] RemoteIndex find(const IpAddress& address) const;
  [[nodiscard]] Remote& operator[](RemoteIndex index) { return remotes_[index]; }
  [[nodiscard]] const Remote& operator[](RemoteIndex index) const { return remotes_[index]; }

  // Poll threads: takes up a remote that nobody configured. kNoRemote: the table is full, or busy for a moment.
  RemoteIndex learn(const IpAddress& address);

  // Control. add() makes a learned remote a configured one; kNoRemote: the table is full.
  RemoteIndex add(const IpAddress& address);
  // Nobody finds it from now on; to be followed by free() when every worker has passed.
  void leave(RemoteIndex index);
  void free(RemoteIndex index);

 private:
  class Lock;

  // A MacTable holds 48 bits: all of an IPv4 address, and a keyed hash of an IPv6 one. Two IPv6 addresses that meet there
  // are told apart by the remote's own, and the second is refused: once in 2^48, and nobody can choose them.
  [[nodiscard]] Mac key(const IpAddress& address) const;
  // With the lock held.
  RemoteIndex insert(const IpAddress& address, Remote::State state);

  std::array<Remote, kMaxRemotes> remotes_;
  MacTable by_address_{kMaxRemotes};
  Quota quota_{kMaxRemotes};
  std::array<uint64_t, 4> key_;
  std::atomic<bool> taken_{false};
};

// The tunnels of one VTEP by VNI. Made anew for every change; poll threads read the one that is published.
class VniTable {
 public:
  struct Tunnel {
    uint32_t vni;
    VxlanPort* port;
  };
  explicit VniTable(std::vector<Tunnel> tunnels);

  [[nodiscard]] VxlanPort* find(uint32_t vni) const {
    for (size_t at = slot(vni);; ++at) {
      const Tunnel& tunnel = slots_[at & mask_];
      if (tunnel.port == nullptr || tunnel.vni == vni) {
        return tunnel.port;
      }
    }
  }
  // Where what belongs to no tunnel is counted: the first.
  [[nodiscard]] VxlanPort& home() const { return *home_; }

 private:
  // Known VNIs are the operator's, so there is no need of a key.
  [[nodiscard]] size_t slot(uint32_t vni) const { return vni * 0x9e37'79b1U >> 8 & mask_; }

  std::vector<Tunnel> slots_;  // more than half of them free
  size_t mask_;
  VxlanPort* home_;
};

}  // namespace memswitch
