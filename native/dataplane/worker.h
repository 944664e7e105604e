// Everything a poll thread has to hand. One thread runs poll(worker); the fields say who else may look.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "dataplane/groups.h"
#include "dataplane/notices.h"
#include "dataplane/take_private.h"
#include "dataplane/unsettled.h"
#include "memif/fd.h"
#include "ports/port.h"
#include "tables/epoch.h"

namespace memswitch {

// What a worker does: how it waits, and the receive queues it polls. Replaced as a whole by control, each time with a new serial number from 1 on. A
// queue keeps its slot for life, and its wake descriptor is known to the worker's epoll set by that number.
struct Plan {
  uint64_t serial = 1;
  Polling polling = Polling::kAdaptive;
  std::vector<RxQueue*> slots;  // null: free
};

inline constexpr uint32_t kMaxWorkerQueues = 16384;
inline constexpr uint32_t kMailboxSlot = UINT32_MAX;

// Ports by id; null: none. Written by control, read by every worker.
using PortTable = std::array<std::atomic<Port*>, kMaxPorts>;

// What the workers of a switch share.
struct Shared {
  PortTable ports{};
  Epoch epoch;
  alignas(64) std::atomic<uint16_t> clock{0};  // seconds, modulo 2^16; kept by the control thread
};

struct Worker {
  Worker(uint16_t number, Shared& everything, PortCounters* of_ports, WorkerCounters& own);

  const uint16_t index;
  Shared& shared;
  PortCounters* const port_counters;  // kMaxPorts of them
  WorkerCounters& counters;

  std::atomic<const Plan*> plan{nullptr};  // control writes
  std::atomic<bool> stop{false};           // likewise
  UniqueFd sleep_fd;    // epoll: mailbox and the queues' wake descriptors; control adds and removes
  UniqueFd mailbox_fd;  // eventfd: a new plan, or stop
  Notices notices;      // control reads

  // The thread's own.
  std::atomic<const RxQueue*> serving{nullptr};  // for what is said of it when it crashes
  uint64_t now = 0;                              // the end of the last round, in cycles
  Burst burst;
  Groups groups;
  Unsettled unsettled;
  PrivateRoom room;

  PortCounters& counters_of(PortId port) { return port_counters[port]; }
};

// Runs until worker.stop. Never throws, logs, allocates, or waits for another thread.
void poll(Worker& worker);
// The port whose queue the calling thread serves just now; kNoPort: none. Also for signal handlers.
PortId polled_port();
// One burst of each queue; returns the frames moved.
uint32_t poll_once(Worker& worker, std::span<RxQueue* const> queues);
// Wakes peers that went to sleep while frames were on their way to them (unsettled.h).
void settle(Worker& worker);

// All of a burst's way that lies between receive and release.
void forward(Burst& burst, Worker& worker, Port& in);

// The stages of a burst, in their order.
void snapshot(Burst& burst);
void classify(Burst& burst, PortCounters& in, uint32_t max_frame);
void thin(Burst& burst);  // only after frames were dropped: takes them out of their runs
void hash(Burst& burst, const Bridge& bridge);
void learn(Burst& burst, Worker& worker, Port& in, Bridge& bridge);
void look_up(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge);
void deliver(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge);

// Instead of all but the first two, for frames of a port that is just leaving its bridge.
void drop_unbridged(Burst& burst, Worker& worker, Port& in);
// Instead of all of them, for frames that their queue has refused.
void drop_refused(Burst& burst, Worker& worker, Port& in);

}  // namespace memswitch
