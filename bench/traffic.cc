// Source and sink on one core, for the rate and the latency of a switch on another. Writes each frame's addresses (and
// its time of leaving, when asked), reads each arriving frame's first bytes; copies no payload, so it costs as little as
// a load can. Peer `unmoved` of the harness tells how little: what this program reaches when nobody copies at all.
//
//   traffic [--cpu N] [--ring 1024] [--queues 1] [--largest 2048] [--active N] [--tunnel] ENDPOINT…
//
// ENDPOINT is memif:SOCKET[,ID] or packet:INTERFACE, all of one kind; the first N (default: all) move frames, the others
// only are attached. With --tunnel the second is the other end of a VXLAN tunnel, and may be of the other kind. Each line
// on standard input is a command, answered by one line of JSON:
//
//   announce addresses=1                                 each receiver tells where its addresses are, each sender its one
//   run seconds=0.1 size=64|imix pattern=one-way|away|back|both-ways|flood|receive addresses=1 rate=0 stamp=0 warm=0
//       any=0                                            frames a second; 0: as many as the rings take
//   wake count=100 pause=0.02                            single frames after pauses (seconds), and how long each took
#include "bench/traffic.h"

#include <getopt.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <sstream>
#include <vector>

#include "bench/either_port.h"
#include "bench/packet_socket.h"
#include "bench/peer.h"
#include "bench/words.h"

using namespace memswitch;
using bench::Clock;
using bench::die;
using bench::EitherPort;
using bench::number;
using bench::Traffic;
using bench::Words;

namespace {

struct Options {
  uint8_t log2_ring = 10;
  uint16_t queues = 1;
  uint32_t largest = 2048;
  size_t active = 0;
  bool tunnel = false;
  std::vector<std::string> endpoints;
};

void pin(uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    die("traffic: cannot pin to CPU " + std::to_string(cpu));
  }
}

Options parse(int argc, char** argv) {
  static const option kLong[] = {{"cpu", 1, nullptr, 'c'},    {"ring", 1, nullptr, 'r'},
                                 {"queues", 1, nullptr, 'q'}, {"largest", 1, nullptr, 'l'},
                                 {"active", 1, nullptr, 'a'}, {"tunnel", 0, nullptr, 't'},
                                 {nullptr, 0, nullptr, 0}};
  Options o;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (c) {
      case 'c':
        pin(number(optarg));
        break;
      case 'r':
        o.log2_ring = static_cast<uint8_t>(31 - __builtin_clz(number(optarg) | 1));
        break;
      case 'q':
        o.queues = static_cast<uint16_t>(number(optarg));
        break;
      case 'l':
        o.largest = number(optarg);
        break;
      case 'a':
        o.active = number(optarg);
        break;
      case 't':
        o.tunnel = true;
        break;
      default:
        std::exit(2);
    }
  }
  o.endpoints.assign(argv + optind, argv + argc);
  o.active = o.active == 0 ? o.endpoints.size() : o.active;
  if (o.active > o.endpoints.size()) {
    die("traffic: no more endpoints can be active than there are");
  }
  return o;
}

std::unique_ptr<bench::Peer> attach_memif(const std::string& place, const Options& options) {
  const size_t comma = place.find(',');
  memif::ClientOptions client;
  client.name = "traffic";
  client.id = comma == std::string::npos ? 0 : number(place.substr(comma + 1));
  client.log2_ring_size = options.log2_ring;
  client.queues = options.queues;
  return std::make_unique<bench::Peer>(place.substr(0, comma), client);
}

template <typename Port, typename Attach>
[[noreturn]] void serve(const Options& options, Attach attach) {
  std::vector<std::unique_ptr<Port>> ports;
  const auto start = Clock::now();
  for (const std::string& endpoint : options.endpoints) {
    ports.push_back(attach(endpoint));
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("{\"ports\":%zu,\"seconds\":%.6f}\n", ports.size(), seconds);
  std::fflush(stdout);
  Traffic<Port> traffic(std::move(ports), options.active, options.tunnel);
  for (std::string text; std::getline(std::cin, text); std::fflush(stdout)) {
    std::istringstream line(text);
    std::string command;
    line >> command;
    const Words words(line);
    if (command == "announce") {
      traffic.announce(static_cast<uint32_t>(words.real("addresses", "1")));
    } else if (command == "run") {
      traffic.run(words);
    } else if (command == "wake") {
      traffic.wake(static_cast<uint32_t>(words.real("count", "100")), words.real("pause", "0.02"));
    } else {
      die("traffic: no such command: " + command);
    }
  }
  std::exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const auto is_packet = [](const std::string& endpoint) {
    return endpoint.starts_with("packet:");
  };
  const auto place = [](const std::string& endpoint) {
    return endpoint.substr(endpoint.find(':') + 1);
  };
  const auto open = [&](const std::string& endpoint) {
    // At the far end of a tunnel's interface it only sends: what arrives there the kernel counts, and what a socket costs to
    // receive it would be charged to the switch's CPU, which hands the frames over.
    const uint16_t protocol = options.tunnel ? 0 : bench::kEtherType;
    return std::make_unique<bench::PacketSocket>(place(endpoint), options.largest, protocol);
  };
  const auto attach = [&](const std::string& endpoint) {
    return attach_memif(place(endpoint), options);
  };
  const auto packets = std::count_if(options.endpoints.begin(), options.endpoints.end(), is_packet);
  if (packets == 0) {
    serve<bench::Peer>(options, attach);
  }
  if (packets == static_cast<ptrdiff_t>(options.endpoints.size())) {
    serve<bench::PacketSocket>(options, open);
  }
  serve<EitherPort>(options, [&](const std::string& endpoint) {
    return is_packet(endpoint) ? std::make_unique<EitherPort>(open(endpoint))
                               : std::make_unique<EitherPort>(attach(endpoint));
  });
}
