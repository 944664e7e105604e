// One tunnel as control has it: its remotes, and the addresses behind them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "control/reclaim.h"
#include "control/status.h"
#include "control/vteps.h"
#include "ports/vxlan.h"

namespace memswitch {

struct RemoteStatus {
  IpAddress address;
  bool configured;
  bool reachable;   // there is a way to it
  uint16_t mtu;     // of that way; 0: unknown
  int32_t heard_s;  // seconds since a frame came from it; -1: never
  uint32_t macs;
  uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, drops;
};

class Tunnel : public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(VxlanPort& port, std::shared_ptr<OwnEnd> end, Reclaim& reclaim,
         const std::atomic<uint16_t>& clock)
      : port_(port), end_(std::move(end)), reclaim_(reclaim), clock_(clock) {}

  // Before the first frame.
  void set_remotes(const std::vector<IpAddress>& remotes);

  Status add_remote(const IpAddress& address);
  Status remove_remote(const IpAddress& address);

  // An address that is, from now on, behind that remote whatever is heard.
  Status add_static(Mac mac, const IpAddress& remote);
  void forget(Mac mac);
  uint32_t flush(bool statics);
  // The remote that an address is behind, if the tunnel knows.
  [[nodiscard]] std::optional<IpAddress> remote_of(Mac mac, bool only_static = false) const;

  // By the bridge's ageing time, and the ways to the remotes looked at anew.
  void each_second();
  [[nodiscard]] std::vector<RemoteStatus> status() const;

  [[nodiscard]] VxlanPort& port() const { return port_; }
  [[nodiscard]] const std::shared_ptr<OwnEnd>& end() const { return end_; }

 private:
  void publish_flood();
  void drop_remote(RemoteIndex index);
  void forget_remote(RemoteIndex index);
  void free_remote(RemoteIndex index);
  void age();
  void look_at_ways();
  [[nodiscard]] RemoteStatus status_of(RemoteIndex index) const;
  // Those of the addresses that `which` says are forgotten; returns how many were.
  template <typename Which>
  uint32_t sweep(uint64_t first, uint64_t buckets, Which which);

  VxlanPort& port_;
  const std::shared_ptr<OwnEnd> end_;
  Reclaim& reclaim_;
  const std::atomic<uint16_t>& clock_;
  std::unique_ptr<const std::vector<RemoteIndex>> flood_;  // what port.flood points to
  uint64_t next_bucket_ = 0;                               // to look at for age
};

}  // namespace memswitch
