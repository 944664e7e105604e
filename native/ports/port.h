// What a kind of port is to the switch: queues that frames come in from, and a way out for a burst. One virtual
// call a burst, never one a frame. "rx" comes in from the port, "tx" leaves by it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "tables/limits.h"
#include "tables/quota.h"

namespace memswitch {

struct Bridge;
struct Policy;
struct Worker;
class Port;
class Watch;

// How a worker waits for frames of a queue; see dataplane/pollset.h.
enum class Polling : uint8_t { kBusy, kAdaptive, kInterrupt };

// What takes a port's frames in place of a bridge: the end of tunnels (ports/vxlan_port.h).
class Vtep {
 public:
  virtual ~Vtep() = default;
  // Frames of a burst that are not dropped yet; afterwards each is counted as consumed, or dropped with a reason.
  virtual void take(Burst& burst, Worker& worker, Port& in) = 0;
};

// One receive queue of a port whose link is up. Owned by the port's link, polled by one worker.
class RxQueue {
 public:
  explicit RxQueue(Port& port) : port_(&port) {}
  RxQueue(const RxQueue&) = delete;
  RxQueue& operator=(const RxQueue&) = delete;
  virtual ~RxQueue() = default;

  // Views of what waits, at most kBurst frames; they stay the queue's until release(). False: nothing waits.
  virtual bool receive(Burst& burst) = 0;
  // Gives back what receive() lent, except buffers that a transmit() took for itself (Frame::buffer set to null).
  virtual void release(const Burst& burst) = 0;

  // Before sleep: asks to be woken by wake_fd(). True: frames wait already, so do not sleep.
  virtual bool arm() = 0;
  virtual void disarm() = 0;
  [[nodiscard]] virtual int wake_fd() const = 0;

  // Where the frames of the last receive() came in: of a queue that several ports share, another one each time.
  [[nodiscard]] Port& port() const { return *port_; }

  uint16_t worker = 0;  // that polls it; control writes before that worker sees the queue

  // Chooses the transmit queue that its frames leave by, at every port: a flow keeps it when its queue moves from one
  // worker to another, so it is not reordered. Control writes before any worker sees the queue.
  uint16_t lane = 0;
  Counter frames;  // that came in, for measuring its load

  // None: as the worker does. Control may change it; the worker takes it up with its next plan.
  std::atomic<std::optional<Polling>> polling{};
  static_assert(std::atomic<std::optional<Polling>>::is_always_lock_free);

  // The polling worker's own notes (dataplane/pollset.h).
  uint64_t last_frame = 0;  // when it last had one, in cycles
  bool parked = false;
  bool drowsy = false;  // parked a moment ago

 protected:
  void set_port(Port& port) { port_ = &port; }

 private:
  Port* port_;
};

// Groups of ports of one bridge that send each other nothing: bits of Port::apart.
inline constexpr uint8_t kTunnels = 1;   // split horizon (RFC 4762, 4.4)
inline constexpr uint8_t kIsolated = 2;  // private ports, which see only those that are not
inline constexpr uint8_t kVepa =
    4;  // what they send each other goes round by an uplink (dataplane/vepa.h)

class Port {
 public:
  Port(PortId id, Bridge* home, uint32_t mac_limit) : macs(mac_limit), bridge(home), id_(id) {}
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  virtual ~Port() = default;

  // Sends the frames `which` of the burst, in that order. Afterwards each of them is counted as transmitted or
  // dropped with a reason. Called by any worker; a queue that several share is taken for the whole call.
  virtual void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t worker,
                        PortCounters& counters) = 0;

  // A moment after transmit(), when everybody can see what it stored: wakes a peer that fell asleep meanwhile, and sends what
  // was left to another worker. False: not all is done, so settle once more. `counters`: as of transmit().
  virtual bool settle(uint16_t /*worker*/, PortCounters& /*counters*/) { return true; }

  [[nodiscard]] PortId id() const { return id_; }

  std::atomic<uint32_t> max_frame{kMaxFrame};  // bytes; by the port's MTU
  bool finishes_checksums = false;             // takes frames with Frame::unfinished set
  // Workers that may call transmit(): one that is alone need not take turns. Written by control. Before a second one
  // starts the first must have passed a quiescent state, for it may be in transmit() just then, by the old number.
  std::atomic<uint16_t> senders{kMaxWorkers};
  std::atomic<uint8_t> apart{0};  // no frame goes to a port that shares one of these bits
  std::atomic<const Policy*> policy{nullptr};  // dataplane/policy.h; control replaces it as a whole
  Quota macs;                                  // learned addresses behind this port
  std::atomic<Bridge*> bridge;  // written by control threads; null while the port is being removed
  std::atomic<Vtep*> vtep{nullptr};          // likewise; takes the frames while there is no bridge
  std::atomic<const Watch*> watch{nullptr};  // likewise; captures and mirrors (dataplane/watch.h)
  std::atomic<bool> gets_copies{false};      // of a mirror; it has no bridge then

 private:
  const PortId id_;
};

}  // namespace memswitch
