// Counts what a frame costs, in instructions: ports, rings, tables and the poll loop as they are, but one thread and
// no clock, so that callgrind gives the same number each time. Only poll_once() is counted:
//
//   valgrind --tool=callgrind --collect-atstart=no --toggle-collect='memswitch::poll_once*' instructions SCENARIO
//
// SCENARIO: bridge [addresses] [size], cross-connect [size] (a bridge of two that does not learn), flood [size], vlan [size]
// (from an access port to a trunk), rate-limit [size] (at both ports), anti-spoof [size], encapsulate [size] and decapsulate
// [size] (inner bytes; between a memif port and a tunnel over another). Prints the frames moved while counting.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "control/policies.h"
#include "dataplane/worker.h"
#include "memif/client_handshake.h"
#include "memif/server_handshake.h"
#include "ports/memif.h"
#include "ports/vxlan.h"
#include "ports/vxlan_carrier.h"
#include "tables/bridge.h"
#include "vxlan/wire.h"

using namespace memswitch;

namespace {

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "instructions: %s\n", why.c_str());
  std::exit(1);
}

// A client and the port it is attached to, introduced to each other without a socket.
class Attached {
 public:
  Attached(PortId id, Bridge& bridge) : port(id, &bridge, kMaxMacs) {
    memif::ServerHandshake server(
        [](uint32_t, memif::Reason&) { return std::optional(memif::Interface{}); });
    memif::Record from_server{.message = memif::ServerHandshake::hello("bench", {}), .fds = {}};
    for (;;) {
      memif::Record from_client;
      int fd = -1;
      if (client_.take(from_server, from_client.message, fd) ==
          memif::ClientHandshake::Step::kConnected) {
        break;
      }
      if (fd >= 0) {
        from_client.fds.emplace_back(::dup(fd));
      }
      if (server.take(from_client, from_server.message) == memif::ServerHandshake::Step::kEnd) {
        die(server.reason().text);
      }
    }
    link_ =
        std::make_unique<MemifLink>(port, memif::server_link(std::move(server.attachment())), -1);
    port.link.store(link_.get());
  }

  void send(Mac destination, Mac source, uint32_t size) {
    const uint64_t words[2] = {destination | source << 48, source >> 16 | uint64_t{0xb588} << 32};
    send(std::as_bytes(std::span(words)), size);
  }

  // A frame of `size` bytes that begins like this.
  void send(std::span<const std::byte> beginning, uint32_t size) {
    memif::Ring& ring = client_.link().tx[0];
    const auto slot = ring.position & ring.mask;
    memif::Descriptor d = ring.lent[slot];
    std::byte* frame = client_.link().regions[0].base() + d.offset;
    std::memcpy(frame, beginning.data(), beginning.size());
    d.length = size;
    memif::store(&ring.slots[slot], d);
    memif::publish(ring, 1);
  }

  uint16_t drain() {
    memif::Ring& ring = client_.link().rx[0];
    const uint16_t waiting = memif::available(ring);
    memif::release(ring, waiting);
    return waiting;
  }

  [[nodiscard]] RxQueue* queue() { return link_->rx()[0].get(); }

  MemifPort port;

 private:
  memif::ClientHandshake client_{memif::ClientOptions{}};
  std::unique_ptr<MemifLink> link_;
};

class Bench {
 public:
  explicit Bench(uint16_t ports, bool learn = true, bool vlans = false)
      : bridge_(1, 2'000'000, vlans) {
    bridge_.learn = learn;
    for (uint16_t i = 1; i <= ports; ++i) {
      attached_.push_back(std::make_unique<Attached>(i, bridge_));
      shared_.ports[i].store(&attached_.back()->port);
      members_.push_back(&attached_.back()->port);
      plan_.push_back(attached_.back()->queue());
    }
    bridge_.members.store(&members_);
  }

  // Addresses of port 2: locally administered, the number in the last bytes.
  static Mac address(uint32_t n) { return 0x06 | uint64_t{__builtin_bswap32(n)} << 16; }

  void announce(uint32_t addresses, uint16_t vlan = 0) {
    for (uint32_t n = 0; n < addresses; ++n) {
      const Mac mac = with_vlan(address(n), vlan);
      bridge_.macs.learn(mac, bridge_.macs.hash_in_vlan(mac), 2, attached_[1]->port.macs, 0);
    }
  }

  // From the first port to the second.
  void set_policies(const PolicyOptions& in, const PolicyOptions& out) {
    for (const PolicyOptions& options : {in, out}) {
      policies_.push_back(make_policy(options, bridge_.vlans));
      attached_[policies_.size() - 1]->port.policy.store(policies_.back().get());
    }
  }

  uint64_t run(uint32_t rounds, uint32_t size, const std::vector<Mac>& destinations) {
    uint64_t frames = 0;
    size_t next = 0;
    for (uint32_t r = 0; r < rounds; ++r) {
      for (uint16_t i = 0; i < kBurst; ++i) {
        attached_[0]->send(destinations[next], kSource, size);
        next = next + 1 == destinations.size() ? 0 : next + 1;
      }
      frames += poll_once(worker_, plan_);
      for (const auto& one : attached_) {
        one->drain();
      }
    }
    return frames;
  }

  static constexpr Mac kSource = 0x0100'0000'0002;

 private:
  Shared shared_;
  std::vector<std::unique_ptr<const Policy>> policies_;
  Bridge bridge_;
  std::vector<PortCounters> counters_ = std::vector<PortCounters>(kMaxPorts);
  WorkerCounters own_;
  std::vector<std::unique_ptr<Attached>> attached_;
  Bridge::Members members_;
  std::vector<RxQueue*> plan_;
  Worker worker_{0, shared_, counters_.data(), own_};
};

// A memif port in a bridge with a tunnel, whose underlay is another memif port.
class TunnelBench {
 public:
  TunnelBench() {
    shared_.ports[kInside].store(&inside_.port);
    shared_.ports[kUnderlay].store(&outside_.port);
    shared_.ports[kTunnel].store(&tunnel_);
    bridge_.members.store(&members_);
    outside_.port.bridge.store(nullptr);
    outside_.port.vtep.store(&carrier_);
    carrier_.add_worker(0);
    carrier_.ends.store(&ends_);
    underlay_.add_worker(0, counters_[kUnderlay]);
    underlay_.tunnels.store(&tunnels_);
    tunnel_.add_worker(0, counters_.data());
    // The remote is known, what is behind it, and who has its address.
    tunnel_.heard(tunnel_.remotes.add(theirs_.address), kFar, 64, 0);
    bridge_.macs.learn(kFar, bridge_.macs.hash(kFar), kTunnel, tunnel_.macs, 0);
    inside_.send(kFar, kNear, 64);
    turn();
    underlay_.hear({vxlan::NeighborMessage::Kind::kAnswer, theirs_, ours_.address});
    if (outside_.drain() != 1) {
      die("the underlay did not ask for its neighbour");
    }
  }

  uint64_t encapsulate(uint32_t rounds, uint32_t size) {
    return run(rounds, outside_, [&] { inside_.send(kFar, kNear, size); });
  }

  uint64_t decapsulate(uint32_t rounds, uint32_t size) {
    const vxlan::OuterTemplate outer({.source_mac = theirs_.mac,
                                      .destination_mac = ours_.mac,
                                      .local = theirs_.address,
                                      .remote = ours_.address,
                                      .port = vxlan::kUdpPort,
                                      .vni = kVni});
    std::array<std::byte, vxlan::kOuterRoom + 16> frame{};
    outer.write(frame.data(), {.inner_length = size, .source_port = 50'000});
    const uint64_t inner[2] = {kNear | kFar << 48, kFar >> 16 | uint64_t{0xb588} << 32};
    std::memcpy(frame.data() + outer.size(), inner, sizeof inner);
    const std::span beginning = std::span(frame).first(outer.size() + sizeof inner);
    return run(rounds, inside_, [&] { outside_.send(beginning, outer.size() + size); });
  }

 private:
  static constexpr PortId kInside = 1;
  static constexpr PortId kUnderlay = 2;
  static constexpr PortId kTunnel = 3;
  static constexpr uint32_t kVni = 7;
  static constexpr Mac kNear = 0x0100'0000'0002;
  static constexpr Mac kFar = 0x0200'0000'0002;

  static IpAddress address(const char* text) {
    IpAddress address;
    IpAddress::parse(text, address);
    return address;
  }

  uint32_t turn() {
    std::array<RxQueue*, 2> queues{inside_.queue(), outside_.queue()};
    return poll_once(worker_, queues);
  }

  template <typename Send>
  uint64_t run(uint32_t rounds, Attached& receiver, Send send) {
    uint64_t sent = 0;
    uint64_t arrived = 0;
    for (uint32_t r = 0; r < rounds; ++r) {
      for (uint16_t i = 0; i < kBurst; ++i) {
        send();
      }
      sent += turn();
      arrived += receiver.drain();
    }
    if (arrived != sent) {
      die("of " + std::to_string(sent) + " frames " + std::to_string(arrived) + " arrived");
    }
    return sent;
  }

  Shared shared_;
  Bridge bridge_{1, 65536};
  std::vector<PortCounters> counters_ = std::vector<PortCounters>(kMaxPorts);
  WorkerCounters own_;
  const vxlan::Station ours_{address("192.0.2.1"), 0x0300'0000'0002, 0};
  const vxlan::Station theirs_{address("192.0.2.2"), 0x0400'0000'0002, 0};
  Attached inside_{kInside, bridge_};
  Attached outside_{kUnderlay, bridge_};
  PortUnderlay underlay_{{.self = ours_}, outside_.port, shared_.clock};
  VxlanPort tunnel_{kTunnel, &bridge_, kMaxMacs, {.vni = kVni}, underlay_, shared_};
  const VniTable tunnels_{{{kVni, &tunnel_}}};
  VxlanCarrier carrier_{outside_.port};
  const VxlanCarrier::Ends ends_{&underlay_};
  Bridge::Members members_{&inside_.port, &tunnel_};
  Worker worker_{0, shared_, counters_.data(), own_};
};

std::vector<Mac> random_order(uint32_t addresses) {
  std::mt19937 random(1);
  std::vector<Mac> order(addresses == 1 ? 1 : 1 << 18);
  for (Mac& mac : order) {
    mac = Bench::address(static_cast<uint32_t>(random() % addresses));
  }
  return order;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string scenario = argc > 1 ? argv[1] : "bridge";
  const auto argument = [&](int i, uint32_t otherwise) {
    return argc > i ? static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
  };
  uint64_t frames = 0;
  if (scenario == "bridge") {
    Bench bench(2);
    const uint32_t addresses = argument(2, 1);
    bench.announce(addresses);
    frames = bench.run(4096, argument(3, 64), random_order(addresses));
  } else if (scenario == "cross-connect") {
    Bench bench(2, false);
    frames = bench.run(4096, argument(2, 64), random_order(1));
  } else if (scenario == "flood") {
    Bench bench(9);
    frames = bench.run(1024, argument(2, 64), {kMacMask});
  } else if (scenario == "vlan") {
    Bench bench(2, true, true);
    bench.announce(1, 100);
    bench.set_policies({.vlans = {.untagged = 100}},
                       {.vlans = {.untagged = 0, .tagged = {{100, 199}}}});
    frames = bench.run(4096, argument(2, 64), random_order(1));
  } else if (scenario == "rate-limit") {
    Bench bench(2);
    bench.announce(1);
    const RateOptions most{
        .frames = 1'000'000'000, .bits = 1'000'000'000'000, .burst_ms = 3'600'000};
    bench.set_policies({.rx = most}, {.tx = most});
    frames = bench.run(4096, argument(2, 64), random_order(1));
  } else if (scenario == "anti-spoof") {
    Bench bench(2);
    bench.announce(1);
    bench.set_policies({.senders = SenderOptions{.macs = {Bench::kSource}}}, {});
    frames = bench.run(4096, argument(2, 64), random_order(1));
  } else if (scenario == "encapsulate") {
    frames = TunnelBench().encapsulate(1024, argument(2, 64));
  } else if (scenario == "decapsulate") {
    frames = TunnelBench().decapsulate(1024, argument(2, 64));
  } else {
    die("no such scenario: " + scenario);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(frames));
  return 0;
}
