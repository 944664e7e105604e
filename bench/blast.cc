// Source and sink on one core, for the rate of a switch on another: sends from one memif port as fast as its ring
// takes it, receives at a second, and counts what arrives. Writes each frame's addresses and a number, reads each
// arriving frame's first word; copies no payload, so it costs as little as a load can.
//
//   blast --from SOCKET[,ID] --to SOCKET[,ID] [--size 64] [--addresses 1] [--cpu N] [--burst 64] [--ring 1024]
//
// Each line on standard input is a number of seconds: one trial, answered by one line of JSON.
#include <getopt.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/peer.h"

using namespace memswitch;
using bench::die;

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string from;
  std::string to;
  uint32_t size = 64;
  uint32_t addresses = 1;
  uint16_t burst = 64;
  uint8_t log2_ring = 10;
};

struct End {
  std::string socket;
  uint32_t id = 0;
};

End parse_end(const std::string& text) {
  const size_t comma = text.find(',');
  End end{text.substr(0, comma), 0};
  if (comma != std::string::npos) {
    end.id = static_cast<uint32_t>(std::strtoul(text.c_str() + comma + 1, nullptr, 10));
  }
  return end;
}

uint32_t number(const char* text) {
  return static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

void pin(uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    die("blast: cannot pin to CPU " + std::to_string(cpu));
  }
}

Options parse(int argc, char** argv) {
  static const option kLong[] = {{"from", 1, nullptr, 'f'}, {"to", 1, nullptr, 't'},
                                 {"size", 1, nullptr, 's'}, {"addresses", 1, nullptr, 'a'},
                                 {"cpu", 1, nullptr, 'c'},  {"burst", 1, nullptr, 'b'},
                                 {"ring", 1, nullptr, 'r'}, {nullptr, 0, nullptr, 0}};
  Options o;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (c) {
      case 'f':
        o.from = optarg;
        break;
      case 't':
        o.to = optarg;
        break;
      case 's':
        o.size = number(optarg);
        break;
      case 'a':
        o.addresses = std::max(1U, number(optarg));
        break;
      case 'c':
        pin(number(optarg));
        break;
      case 'b':
        o.burst = static_cast<uint16_t>(number(optarg));
        break;
      case 'r':
        o.log2_ring = static_cast<uint8_t>(31 - __builtin_clz(number(optarg)));
        break;
      default:
        std::exit(2);
    }
  }
  if (o.from.empty() || o.to.empty() || o.size < 22 || o.size > 2048) {
    die("blast: needs --from and --to, and --size from 22 to 2048");
  }
  return o;
}

memif::ClientOptions client(const End& end, const char* name, uint8_t log2_ring) {
  memif::ClientOptions options;
  options.id = end.id;
  options.name = name;
  options.log2_ring_size = log2_ring;
  return options;
}

// 06:00:00:xx:xx:xx, the number in network order as real addresses count.
uint64_t address(uint32_t number) {
  return 0x06 | uint64_t{__builtin_bswap32(number)} << 16;
}

constexpr uint64_t kSource = 0x0100'0000'0002;  // 02:00:00:00:00:01

class Blast {
 public:
  explicit Blast(const Options& options)
      : o_(options),
        from_(parse_end(options.from).socket,
              client(parse_end(options.from), "blast-from", options.log2_ring)),
        to_(parse_end(options.to).socket,
            client(parse_end(options.to), "blast-to", options.log2_ring)) {
    // Addresses in a random order that repeats: 2^20 steps of it fit no branch predictor.
    order_.resize(o_.addresses == 1 ? 1 : 1 << 20);
    uint64_t state = 88172645463325252;
    for (uint32_t& next : order_) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      next = static_cast<uint32_t>(state % o_.addresses);
    }
  }

  // The sink's addresses become known: a frame from each, at a pace that loses none. The first also shows that the
  // switch moves frames at all.
  void announce() {
    put(to_, 0, kSource, address(0));
    to_.send(1);
    for (int tries = 0; drain(from_) == 0; ++tries) {
      if (tries == 500) {
        die("blast: the switch forwards nothing from --to to --from");
      }
      ::usleep(10'000);
    }
    for (uint32_t n = 0; n < o_.addresses;) {
      const auto room = static_cast<uint16_t>(
          std::min<uint32_t>({memif::available(to_.tx()), o_.addresses - n, 32}));
      for (uint16_t i = 0; i < room; ++i, ++n) {
        put(to_, i, kSource, address(n));
      }
      to_.send(room);
      drain(from_);
    }
    ::usleep(50'000);
    drain(from_);
    drain(to_);
  }

  void trial(double seconds) {
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration<double>(seconds);
    const uint64_t sent_before = sent_;
    uint64_t received = 0;
    auto now = start;
    while (now < end) {
      for (int i = 0; i < 64; ++i) {
        send();
        received += drain(to_);
      }
      now = Clock::now();
    }
    const double elapsed = std::chrono::duration<double>(now - start).count();
    std::printf("{\"mpps\":%.4f,\"received\":%llu,\"sent\":%llu,\"seconds\":%.6f}\n",
                static_cast<double>(received) / elapsed / 1e6,
                static_cast<unsigned long long>(received),
                static_cast<unsigned long long>(sent_ - sent_before), elapsed);
    std::fflush(stdout);
    ::usleep(5'000);
    drain(to_);
  }

 private:
  void put(bench::Peer& peer, uint16_t i, uint64_t destination, uint64_t source) {
    std::byte* frame = peer.next_buffer(i);
    const uint64_t first = destination | source << 48;
    const uint64_t second = source >> 16 | uint64_t{0xb588} << 32;  // EtherType 0x88B5
    std::memcpy(frame, &first, 8);
    std::memcpy(frame + 8, &second, 8);
    peer.set_length(i, o_.size);
  }

  void send() {
    const uint16_t room = std::min(memif::available(from_.tx()), o_.burst);
    for (uint16_t i = 0; i < room; ++i) {
      next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
      put(from_, i, address(order_[next_]), kSource);
    }
    from_.send(room);
    sent_ += room;
  }

  uint16_t drain(bench::Peer& peer) {
    memif::Ring& ring = peer.rx();
    const uint16_t waiting = memif::available(ring);
    for (uint16_t i = 0; i < waiting; ++i) {
      uint64_t word = 0;
      std::memcpy(&word, peer.buffer(ring, static_cast<uint16_t>(ring.position + i)), 8);
      asm volatile("" ::"r"(word));  // read, though nobody asks what it says
    }
    if (waiting > 0) {
      memif::release(ring, waiting);
    }
    return waiting;
  }

  Options o_;
  bench::Peer from_;
  bench::Peer to_;
  std::vector<uint32_t> order_;
  size_t next_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Blast blast(parse(argc, argv));
  blast.announce();
  std::printf("{\"ready\":true}\n");
  std::fflush(stdout);
  for (double seconds = 0; std::scanf("%lf", &seconds) == 1;) {
    blast.trial(seconds);
  }
  return 0;
}
