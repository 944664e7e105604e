// Bursts through the dataplane between ports whose peers write what they like into their memory, also between the moment
// a burst is received and the moment it is delivered. Regions are on the heap, to their exact size, so that the address
// sanitizer sees every byte read or written beside them.
//
// Input: sizes, positions and indexes of the rings, an early change of memory, then the memory itself.
#include "memif/ring.h"

#include <memory>
#include <vector>

#include "dataplane/worker.h"
#include "tables/bridge.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

namespace {

using namespace memswitch;
using namespace memswitch::memif;

constexpr uint32_t kMaxRegion = 4096;
constexpr uint16_t kPorts = 3;

// A peer's memory: the rings of both directions in region 0, and a region of buffers.
class Memory {
 public:
  void fill(Input& input) {
    const auto log2_size = static_cast<uint8_t>(1 + input.take<uint8_t>() % 5);
    rings_.resize(2 * ring_bytes(log2_size, kCacheLine) + input.take<uint8_t>());
    buffers_.resize(input.take<uint16_t>() % kMaxRegion);
    input.take(rings_.data(), rings_.size());
    input.take(buffers_.data(), buffers_.size());
    views_[0] = {rings_.data(), rings_.size()};
    views_[1] = {buffers_.data(), buffers_.size()};
    from_client = place(0, log2_size);
    to_client = place(ring_bytes(log2_size, kCacheLine), log2_size);
    // Each index starts a little before or after the other's, where honest rings are; `far` ones too.
    steer(from_client, input);
    steer(to_client, input);
  }

  void change(Input& input) {
    for (uint8_t n = input.take<uint8_t>() % 8; n > 0; --n) {
      std::vector<std::byte>& region = input.take<uint8_t>() % 2 == 0 ? rings_ : buffers_;
      if (const auto at = input.take<uint16_t>(); !region.empty()) {
        region[at % region.size()] = input.take<std::byte>();
      }
    }
  }

  [[nodiscard]] RegionTable regions() const { return {views_, 2}; }

  Ring from_client{};
  Ring to_client{};

 private:
  Ring place(size_t offset, uint8_t log2_size) {
    const RingMemory memory = ring_at(rings_.data() + offset, kCacheLine);
    Ring ring{};
    ring.slots = memory.slots;
    ring.peer_index = &memory.header->head;
    ring.own_index = memory.tail;
    ring.flags = &memory.header->flags;
    ring.size = static_cast<uint16_t>(1U << log2_size);
    ring.mask = static_cast<uint16_t>(ring.size - 1);
    ring.doorbell = -1;
    return ring;
  }

  static void steer(Ring& ring, Input& input) {
    ring.position = input.take<uint16_t>();
    if (const auto ahead = input.take<uint8_t>(); ahead != 0xff) {
      store_release(ring.peer_index,
                    static_cast<uint16_t>(ring.position + ahead % (ring.size + 1)));
    }
  }

  std::vector<std::byte> rings_;
  std::vector<std::byte> buffers_;
  RegionView views_[2] = {};
};

class FuzzPort final : public Port {
 public:
  FuzzPort(PortId id, Bridge& home) : Port(id, &home, 16) {}

  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t,
                PortCounters& counters) override {
    const auto count = static_cast<uint16_t>(which.size());
    const Transmitted sent =
        memif::transmit(memory.to_client, memory.regions(), burst, which.data(), count);
    hold(sent.done <= count && sent.frames + sent.no_room == sent.done, "frames are sent or not");
    counters.tx_frames.add(sent.frames);
    counters.tx_bytes.add(sent.bytes);
    counters.drop(Drop::kRingFull, static_cast<uint64_t>(count - sent.frames));
  }

  Memory memory;
};

// Lets the peer change its memory once the burst has been received.
class FuzzQueue final : public RxQueue {
 public:
  FuzzQueue(FuzzPort& port, Input& input) : RxQueue(port), port_(port), input_(input) {}

  bool receive(Burst& burst) override {
    const Ring& ring = port_.memory.from_client;
    memif::receive(ring, port_.memory.regions(), burst);
    hold(burst.count <= kBurst && burst.slots <= ring.size, "a burst is bounded");
    hold(burst.segments <= kBurstSegments, "pieces are bounded");
    port_.memory.change(input_);
    return burst.count > 0;
  }
  void release(const Burst& burst) override {
    memif::release(port_.memory.from_client, burst.slots);
  }
  bool arm() override { return false; }
  void disarm() override {}
  [[nodiscard]] int wake_fd() const override { return -1; }

 private:
  FuzzPort& port_;
  Input& input_;
};

// What is too large for a stack and costs too much to make for every input.
struct Plane {
  Shared shared;
  std::vector<PortCounters> counters = std::vector<PortCounters>(kMaxPorts);
  WorkerCounters own;
  Worker worker{0, shared, counters.data(), own};
};

void hold_balance(Plane& plane) {
  uint64_t in = 0;
  uint64_t out = 0;
  for (PortId id = 1; id <= kPorts; ++id) {
    const PortCounters& c = plane.counters[id];
    in += c.rx_frames.get() + c.copies.get();
    out += c.tx_frames.get();
    for (const Counter& drop : c.drops) {
      out += drop.get();
    }
  }
  hold(in == out, "rx + copies == tx + drops");
}

}  // namespace

void ring(Bytes bytes) {
  static Plane plane;
  Input input(bytes);
  Bridge bridge(1, 32);
  std::vector<std::unique_ptr<FuzzPort>> ports;
  std::vector<std::unique_ptr<FuzzQueue>> queues;
  Bridge::Members members;
  std::vector<RxQueue*> polled;
  for (PortId id = 1; id <= kPorts; ++id) {
    ports.push_back(std::make_unique<FuzzPort>(id, bridge));
    ports.back()->memory.fill(input);
    queues.push_back(std::make_unique<FuzzQueue>(*ports.back(), input));
    members.push_back(ports.back().get());
    polled.push_back(queues.back().get());
    plane.counters[id].reset();
    plane.shared.ports[id].store(ports.back().get());
  }
  bridge.members.store(&members);
  for (int round = 0; round < 3; ++round) {
    poll_once(plane.worker, polled);
  }
  hold_balance(plane);
}

}  // namespace fuzz
