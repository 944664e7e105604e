// The switch as control threads see it: ports, and how bridges, workers and peers come together at them. One lock
// guards all of it; poll threads never take it. What they read is replaced as a whole, and freed when all have
// passed (control/reclaim.h).
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/bridges.h"
#include "control/captures.h"
#include "control/device_ports.h"
#include "control/explain.h"
#include "control/handover.h"
#include "control/memif_client.h"
#include "control/memif_server.h"
#include "control/mirrors.h"
#include "control/policies.h"
#include "control/reactor.h"
#include "control/reclaim.h"
#include "control/status.h"
#include "control/vxlan.h"
#include "control/workers.h"
#include "ports/memif.h"

namespace memswitch {

struct PortOptions {
  uint16_t bridge = 0;
  uint32_t mac_limit = 0;  // 0: as many as the bridge takes
  uint32_t max_frame = kMaxFrame;
  std::optional<Polling> polling{};  // of its queues; none: as the worker does
  std::vector<uint16_t> workers{};   // that poll its queues in turn; empty: by rule
  PolicyOptions policy{};
  bool is_client = false;
  MemifServer::Place place{};
  memif::Interface interface {};
  Allowed allowed{};
  std::optional<IpStation> station{};     // of a port of mode ip
  uint32_t buffer_size = 2048;            // of a client
  std::optional<VxlanOptions> vxlan{};    // then nothing above but the bridge and its limit counts
  std::optional<DeviceOptions> device{};  // likewise
  std::optional<TapOptions> tap{};        // likewise
  std::optional<VethOptions> veth{};      // likewise
};

// What a port in the client's role brings.
memif::ClientOptions client_options(const PortOptions& options, const std::string& name);

using FaultCounts = std::array<uint32_t, memif::kFaults>;

struct PortState {
  PortId id = kNoPort;
  bool link = false;
  uint16_t queues = 0;
  uint16_t ring_size = 0;
  std::string peer{};
  memif::PeerCredentials credentials{};
  uint32_t macs = 0;
  std::string last_error;
  uint32_t attaches = 0;
  FaultCounts protocol_errors{};
  std::optional<DeviceState> device{};  // of a port over one
  DeviceStatistics statistics{};        // of the device
};

// What a scrape asks of a port, without a text and without a copy.
struct PortBrief {
  PortId id;
  bool link;
  bool is_device;
  uint32_t attaches;
  uint64_t refusals;  // all of the next
  const FaultCounts& protocol_errors;
};

struct Event {
  enum class Kind { kLinkUp, kLinkDown, kProtocolError, kMove, kPortFull, kTableFull, kLost };
  Kind kind;
  PortId port = kNoPort;
  PortId from = kNoPort;
  uint16_t bridge = 0;
  Mac mac = 0;
  uint64_t count = 0;
  memif::Fault fault = memif::Fault::kNone;
  std::string text{};  // the peer's name, or a reason
};

class Switch final : private MemifOwner {
 public:
  using Tell = std::function<void(Event)>;

  // `tell` is called with the lock held: it must not call back.
  Switch(const std::vector<WorkerOptions>& workers, Tell tell);
  ~Switch() override;

  Status add_bridge(const BridgeOptions& options, uint16_t& bridge);
  Status set_bridge(uint16_t bridge, const BridgeOptions& options);
  Status remove_bridge(uint16_t bridge);
  Status bridge_macs(uint16_t bridge, uint32_t& count);

  Status add_port(const PortOptions& options, PortId& port);
  Status set_port(PortId port, uint16_t bridge, uint32_t mac_limit, uint32_t max_frame);
  // Takes the place of the port's policy at once, between two bursts; its buckets are full.
  Status set_policy(PortId port, const PolicyOptions& policy);
  Status set_polling(PortId port, std::optional<Polling> polling);
  Status remove_port(PortId port);
  std::vector<PortState> port_states();
  void each_port(const std::function<void(const PortBrief&)>& visit);
  // Another number when ports came or went.
  uint64_t membership();

  using Visit = std::function<void(const MacTable::Entry& entry, uint16_t age_s)>;
  Status each_mac(uint16_t bridge, const Visit& visit);
  Status find_mac(uint16_t bridge, Mac mac, const Visit& visit);
  // Learns again what was learned before a restart; `seen` is seconds since each was. What is known, too old, or behind no
  // port of the bridge is passed over, and so is what is behind a tunnel: its remote was learned with it. Returns how many.
  uint32_t relearn(uint16_t bridge, std::span<const MacTable::Entry> kept);
  // `remote`: the one of a tunnel's remotes behind which the address is.
  // In a bridge of VLANs the address has its VLAN above it; without one it is that of the port's untagged frames.
  Status add_static_mac(uint16_t bridge, Mac mac, PortId port,
                        const std::optional<IpAddress>& remote = {});
  Status remove_mac(uint16_t bridge, Mac mac, bool& removed);
  // kNoPort: of all ports.
  Status flush_macs(uint16_t bridge, PortId port, uint32_t& count);

  std::vector<TunnelStatus> tunnels();
  Status add_remote(PortId tunnel, const IpAddress& remote);
  Status remove_remote(PortId tunnel, const IpAddress& remote);
  // The remote that each of the addresses is behind; none: not behind a tunnel, not known, or only learned where that
  // does not count.
  std::vector<std::optional<IpAddress>> remotes_of(
      std::span<const std::pair<PortId, Mac>> addresses, bool only_static = false);

  Status add_worker(const WorkerOptions& options, uint16_t& number);
  Status set_worker(uint16_t number, const WorkerOptions& options);
  Status remove_worker(uint16_t number);
  // Shares the queues out anew by their number, when workers have come.
  void spread_queues();
  void set_placement(Placement placement);
  Status move_queue(PortId port, uint16_t queue, uint16_t worker);
  // From now on, and for the queues that are there; empty: by rule, and these stay where they are.
  Status place_port(PortId port, std::vector<uint16_t> workers);
  std::vector<WorkerState> worker_states();

  // A capture takes what is seen from now on; capture() reads it, until remove_capture(). It ends by itself, for its
  // reader, when its last port has gone.
  Status add_capture(const CaptureOptions& options, uint32_t& id);
  std::shared_ptr<CaptureReader> capture(uint32_t id);
  void remove_capture(uint32_t id);
  // Those under way; `total`: of all that there ever were.
  std::vector<CaptureStatus> captures(CaptureStatus& total);

  // Where the frame would go if it came in from the port now.
  Status explain(PortId port, std::span<const std::byte> frame, Explanation& found);

  // While copies go to a port it takes no part in its bridge.
  Status add_mirror(const MirrorOptions& options, uint32_t& id);
  // Copies what comes and goes at one more port.
  Status join_mirror(uint32_t id, PortId port);
  Status remove_mirror(uint32_t id);
  std::vector<MirrorStatus> mirrors();

  // To a process that waits at the socket, with a note: every listening socket and every peer of memif, which do not notice. All
  // that is left to do with the switch is to close it. When that fails it goes on as before.
  Status hand_over(const std::string& socket, const std::string& note);
  // From another process, before ports are added that were its; adopt() when they are all there. Returns how many peers came
  // along.
  void inherit(Handover handover);
  uint32_t adopt();

  // For counters, which live as long as the switch, and for running a worker on the calling thread.
  Workers& workers() { return workers_; }

  void stop() { workers_.stop(); }
  // Stops, waits for the workers to return, says goodbye to the peers. Idempotent.
  void close();

 private:
  // A container that invents addresses must not keep the listeners of events busy: what is more is counted as lost.
  static constexpr int kNoticesPerTick = 100;
  // For the workers to come between two bursts, when a new one is to start.
  static constexpr auto kPatience = std::chrono::seconds(2);

  struct Record {
    std::unique_ptr<Port> port;
    PolicyOptions policy_options{};
    std::unique_ptr<const Policy> policy;  // what port->policy points to; made of those
    std::shared_ptr<Bridge> bridge;
    MemifPort* memif = nullptr;  // the port, if it is one
    std::unique_ptr<MemifLink> link;
    bool is_polled = false;  // the link
    std::optional<Polling> polling;
    std::vector<uint16_t> workers;
    std::optional<IpStation> station;
    bool is_tunnel = false;
    std::unique_ptr<const Watch> watch;  // what port->watch points to
    memif::PeerCredentials credentials;
    std::string last_error;
    uint32_t attaches = 0;
    uint64_t refusals = 0;
    FaultCounts protocol_errors{};
  };

  memif::Reason attached(PortId port, memif::Link link, memif::PeerCredentials peer) override;
  void detached(PortId port, const std::string& reason) override;
  void refused(PortId port, const memif::Reason& reason) override;

  // With the lock held.
  Status need_bridge(uint16_t number, std::shared_ptr<Bridge>& bridge) const;
  Status need_port(PortId id, Record*& record);
  [[nodiscard]] bool is_up(PortId id, const Record& record) const {
    return record.link != nullptr || record.is_tunnel || devices_.is_up(id);
  }
  Status need_tunnel(PortId id, Tunnel*& tunnel);
  Status need_leisure(PortId id) const;
  [[nodiscard]] PortId free_id() const;
  Status make_port(const PortOptions& options, PortId id, Record& record);
  Status make_memif(const PortOptions& options, PortId id, Record& record);
  Status make_tunnel(const PortOptions& options, PortId id, Record& record);
  void leave_bridge(PortId id, Record& underlay);
  void return_to_bridge(Record& former);
  Status make_device(const PortOptions& options, PortId id, Record& record);
  void release_device(PortId id, Record& record);
  void look_at_devices();
  static Status complete_vlan(const Record& record, Mac& mac);
  void renew_policy(Record& record);
  void update_members(Bridge& bridge);
  void update_senders();
  bool await_quiescence();
  void watch_port(PortId id);
  Status check_mirror(const MirrorOptions& options);
  std::vector<Record*> served_links();
  bool let_go_of_links();
  void take_links_back();
  void forget_links();
  void forget_port(PortId id, const std::shared_ptr<Bridge>& bridge);
  bool poll_link(Record& record);
  void look_for_faults();
  void tick();
  void each_second();
  void tell_notices();

  std::mutex lock_;
  Shared shared_;
  Reclaim reclaim_{shared_.epoch};
  Tell tell_;
  Workers workers_;
  Bridges bridges_{shared_, reclaim_};
  Vxlan vxlan_{shared_, reclaim_, workers_};
  UniqueFd alarm_;
  DevicePorts devices_;
  Captures captures_;
  Mirrors mirrors_{workers_};
  std::map<PortId, Record> ports_;
  std::vector<bool> ids_ = std::vector<bool>(kMaxPorts);  // in use, or not yet reclaimed
  uint64_t membership_ = 1;
  std::map<std::pair<uint16_t, PortId>, bool> limits_told_;  // this second; by bridge and port
  uint64_t lost_told_ = 0;                                   // notices
  uint64_t losses_seen_ = 0;                                 // of regions, in the whole process
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool closed_ = false;
  bool adopting_ = false;
  UniqueFd heir_;  // hears by its end that the switch is closed
  Reactor reactor_{lock_};
  MemifServer server_{reactor_, *this};
  MemifClient client_{reactor_, *this};
};

}  // namespace memswitch
