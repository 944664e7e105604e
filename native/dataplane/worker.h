// Everything a poll thread has to hand. One thread runs poll(worker); the fields say who else may look.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/counters.h"
#include "dataplane/frame.h"
#include "dataplane/groups.h"
#include "dataplane/notices.h"
#include "memif/fd.h"
#include "ports/port.h"
#include "tables/epoch.h"

namespace memswitch {

enum class Polling : uint8_t { kBusy, kAdaptive, kInterrupt };

// The receive queues a worker polls. Replaced as a whole by control.
using Plan = std::vector<RxQueue*>;

// Ports by id; null: none. Written by control, read by every worker.
using PortTable = std::array<std::atomic<Port*>, kMaxPorts>;

// What the workers of a switch share.
struct Shared {
  PortTable ports{};
  Epoch epoch;
  alignas(64) std::atomic<bool> stop{false};
  std::atomic<uint16_t> clock{0};  // seconds, modulo 2^16; kept by the control thread
};

struct Worker {
  Worker(uint16_t number, Polling how, Shared& everything, PortCounters* of_ports,
         WorkerCounters& own);

  const uint16_t index;
  const Polling polling;
  Shared& shared;
  PortCounters* const port_counters;  // kMaxPorts of them
  WorkerCounters& counters;

  std::atomic<const Plan*> plan{nullptr};  // control writes
  UniqueFd sleep_fd;    // epoll: mailbox and the queues' wake descriptors; control adds and removes
  UniqueFd mailbox_fd;  // eventfd: a new plan, or stop
  Notices notices;      // control reads

  // The thread's own.
  Burst burst;
  Groups groups;

  PortCounters& counters_of(PortId port) { return port_counters[port]; }
};

// Runs until shared.stop. Never throws, logs, allocates, or waits for another thread.
void poll(Worker& worker);
// One burst of each queue; returns the frames moved.
uint32_t poll_once(Worker& worker, const Plan& plan);

// The stages of a burst, in their order.
void snapshot(Burst& burst);
void classify(Burst& burst, PortCounters& in);
void hash(Burst& burst, const Bridge& bridge);
void learn(Burst& burst, Worker& worker, Port& in, Bridge& bridge);
void look_up(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge);
void deliver(Burst& burst, Worker& worker, const Port& in, const Bridge& bridge);

// Instead of all but the first two, for frames of a port that is just leaving its bridge.
void drop_unbridged(const Burst& burst, PortCounters& in);

}  // namespace memswitch
