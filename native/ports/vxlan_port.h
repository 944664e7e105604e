// An underlay that is a port of the switch: no kernel on the way. The VTEP has an address on that port's Ethernet, asks and
// answers who has which (vxlan/neighbor.h), and writes the outer headers itself. What comes in is handed to it by the port's
// carrier (ports/vxlan_carrier.h).
//
// A frame from a tunnel is a copy at the underlay's port, which the port transmits or drops. One that lies in a device's
// buffer lends it: a device puts the headers in front of it and sends it as it is.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "ports/port.h"
#include "ports/underlay.h"
#include "vxlan/decapsulate.h"
#include "vxlan/encapsulate.h"
#include "vxlan/neighbor.h"

namespace memswitch {

// One whose Ethernet address the operator says: it is never asked for, and nothing that is heard changes it.
struct StaticNeighbor {
  IpAddress address;
  Mac mac;

  bool operator==(const StaticNeighbor&) const = default;
};

class PortUnderlay final : public Underlay {
 public:
  struct Options {
    vxlan::Station self;  // address, MAC, VLAN
    uint8_t prefix =
        24;  // addresses that share so many bits are neighbours, others behind the gateway
    IpAddress gateway{};  // unspecified: none
    uint16_t port = 4789;
    uint16_t mtu = 1500;  // of the underlay
    uint8_t ttl = 64;
    int dscp = 0;  // -1: the inner packet's
    bool dont_fragment = true;
    bool udp_checksum = false;
    uint16_t first_source_port = 49152;
    uint16_t last_source_port = 65535;
    std::vector<StaticNeighbor> neighbors{};  // fewer than kMaxRemotes
  };
  PortUnderlay(const Options& options, Port& port, const std::atomic<uint16_t>& clock);
  ~PortUnderlay() override;

  // Control, before that worker polls. `counters`: its own, of the port.
  void add_worker(uint16_t worker, PortCounters& counters);

  void send(Burst& burst, std::span<const Parcel> parcels, VxlanPort& tunnel, uint16_t worker,
            PortCounters& counters) override;
  bool settle(uint16_t worker) override { return port_.settle(worker, *counters_[worker]); }

  // A frame that came to a tunnel here.
  struct Arrival {
    std::optional<Drop> drop;  // with it, nothing below holds
    VxlanPort* tunnel = nullptr;
    IpAddress source{};
    uint32_t inner = 0;   // offset of the inner frame
    uint32_t length = 0;  // and its length
  };
  // `head`: the frame's first bytes, private.
  Arrival open(const Burst& burst, uint16_t frame, std::span<const std::byte> head) const;
  // Returns whether it asks for us.
  bool hear(const vxlan::NeighborMessage& message);
  void answer(const vxlan::NeighborMessage& question, uint16_t worker);

  // Control: whether somebody has answered for the remote, or for the gateway to it, and not fallen silent.
  [[nodiscard]] bool is_resolved(const IpAddress& remote) const;

 private:
  static constexpr uint16_t kStale_s = 30;  // RFC 4861's REACHABLE_TIME
  static constexpr uint8_t kMaxAsked = 3;   // RFC 4861's MAX_UNICAST_SOLICIT, a second apart

  struct Neighbor {
    std::atomic<Mac> mac{0};  // 0: unknown
    std::atomic<uint16_t> confirmed{0};
    std::atomic<uint16_t> asked{0};  // when last
    std::atomic<uint8_t> unanswered{0};
    bool is_static = false;  // written before the first frame
  };
  struct Scratch;

  [[nodiscard]] const IpAddress& next_hop(const IpAddress& remote) const;
  Mac resolve(const IpAddress& remote, uint16_t worker);
  void ask(Neighbor& neighbor, const IpAddress& address, uint16_t worker);
  void transmit_one(const std::byte* frame, uint32_t length, uint16_t worker);

  void make_outer(const VxlanPort& tunnel, const IpAddress& remote, Mac mac,
                  Scratch& scratch) const;
  [[nodiscard]] uint16_t source_port(std::span<const std::byte> head) const;
  void pack(Burst& burst, uint8_t frame, uint16_t worker);
  void sum_up(Frame& out, std::byte* headers, std::span<const std::byte> head,
              const Scratch& scratch) const;
  void send_to(const IpAddress& address, Burst& burst, std::span<const Parcel> parcels,
               VxlanPort& tunnel, uint16_t worker, PortCounters& counters);
  void flush(uint16_t worker);

  const Options options_;
  const vxlan::Endpoint endpoint_;
  Port& port_;
  const std::atomic<uint16_t>& clock_;
  RemoteTable next_hops_;  // neighbours by address: index into neighbors_
  std::array<Neighbor, kMaxRemotes> neighbors_;
  std::array<PortCounters*, kMaxWorkers> counters_{};          // by worker, of the port
  std::array<std::unique_ptr<Scratch>, kMaxWorkers> scratch_;  // by worker
};

}  // namespace memswitch
