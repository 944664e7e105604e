// A VXLAN tunnel (RFC 7348) as a port of a bridge: one VNI, one VTEP of ours, and remotes. What leaves by it goes to the
// remote behind which the destination was seen, or a copy to each configured one (head-end replication). How a frame
// reaches a remote is the underlay's business (ports/underlay.h): sockets of the kernel, or a port of the switch.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ports/port.h"
#include "ports/underlay.h"
#include "ports/vxlan_answers.h"
#include "tables/mac_table.h"
#include "tables/tunnel_table.h"

namespace memswitch {

// Of one remote; one writer, as all counters of a worker.
struct RemoteCounters {
  Counter rx_frames;
  Counter rx_bytes;
  Counter tx_frames;
  Counter tx_bytes;
  Counter drops;  // of what was to go to it
};

class VxlanPort final : public Port {
 public:
  struct Options {
    uint32_t vni = 0;
    bool learn_remotes = false;  // takes frames of VTEPs that nobody configured
    bool split_horizon = true;
    VxlanAnswers::Options answers{};
    uint32_t mac_table = 65536;  // addresses held together with their remote
  };
  VxlanPort(PortId id, Bridge* home, uint32_t mac_limit, const Options& options, Underlay& underlay,
            const Shared& shared);

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                PortCounters& counters) override;
  bool settle(uint16_t worker, PortCounters& /*counters*/) override {
    return underlay_.settle(worker);
  }

  // Poll threads. The remote that a frame came from; kNoRemote: not one of ours.
  RemoteIndex sender(const IpAddress& source);
  // A frame came from a remote: counts it, and learns where its source is.
  void heard(RemoteIndex remote, Mac source, uint32_t length, uint16_t worker) {
    count(remote, length, worker);
    learn(remote, source);
  }
  void count(RemoteIndex remote, uint32_t length, uint16_t worker) {
    RemoteCounters& counters = counters_of(remote, worker);
    counters.rx_frames.add(1);
    counters.rx_bytes.add(length);
  }
  void learn(RemoteIndex remote, Mac source);
  // Whether the tunnel wants to see what remotes tell of neighbours; null: no.
  [[nodiscard]] VxlanAnswers* listener() const {
    return answers_ != nullptr && answers_->listens() ? answers_.get() : nullptr;
  }
  // Whether the station is behind one of the remotes.
  [[nodiscard]] bool is_behind(Mac station) const { return remote_of(station) != kNoRemote; }

  // Control, before that worker polls. `of_ports`: its counters of all ports. What a former one of that number counted stays.
  void add_worker(uint16_t worker, PortCounters* of_ports);
  // Control. That were ever added.
  [[nodiscard]] uint16_t workers() const { return workers_; }

  [[nodiscard]] RemoteCounters& counters_of(RemoteIndex remote, uint16_t worker) {
    return (*counters_[worker])[remote];
  }
  [[nodiscard]] uint32_t vni() const { return vni_; }

  RemoteTable remotes;
  // Which remote an address is behind. The bridge's own table says that it is behind this port; both age alike.
  MacTable addresses;
  Quota addresses_quota{kMaxMacs};
  // Those that get a copy of what is for all. Replaced by control as a whole.
  std::atomic<const std::vector<RemoteIndex>*> flood{nullptr};

 private:
  class Parcels;
  using OfRemotes = std::array<RemoteCounters, kMaxRemotes>;

  RemoteIndex remote_of(Mac destination) const;
  void send_to_all(Burst& burst, uint8_t frame, Parcels& parcels, PortCounters& counters);

  const uint32_t vni_;
  const bool learn_remotes_;
  Underlay& underlay_;
  const std::atomic<uint16_t>& clock_;
  std::array<std::unique_ptr<OfRemotes>, kMaxWorkers> counters_;  // by worker
  uint16_t workers_ = 0;
  const std::unique_ptr<VxlanAnswers> answers_;  // null: none are wanted
};

}  // namespace memswitch
