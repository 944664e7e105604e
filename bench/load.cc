// A load client that loses nothing: it keeps a window of frames circulating between itself and a peer like it. Each
// frame that arrives goes back to where it came from, so the sum of both windows bounds what can be in any ring, and
// as long as that is below the rings' size none can overflow. What is sent and does not arrive was lost on the way.
//
//   load --socket PATH|@NAME [--id 0] --mac MAC --peer MAC [--window 256] [--size 64] [--name load] [--secret S]
//
// Waits for a line on standard input before the first frame (its peer must be there), prints a line of JSON a second,
// stops sending when standard input ends, waits for the last frames, prints the final line. SIGINT is its parent's
// business: Ctrl-C reaches the whole group, and the parent wants the final line.
#include <fcntl.h>
#include <getopt.h>

#include <csignal>
#include <ctime>

#include "bench/peer.h"

using namespace memswitch;
using bench::die;

namespace {

struct Options {
  std::string socket;
  memif::ClientOptions client;
  std::array<uint8_t, 6> mac{};
  std::array<uint8_t, 6> peer{};
  uint16_t window = 256;
  uint32_t size = 64;
};

// What a frame carries behind its addresses. 0x88B5 is IEEE's EtherType for local experiments.
struct [[gnu::packed]] Header {
  std::array<uint8_t, 6> destination;
  std::array<uint8_t, 6> source;
  uint8_t type[2];
  uint32_t magic;
  uint64_t number;
};

constexpr uint32_t kMagic = 0x6d737721;

struct Counts {
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t invalid = 0;
};

std::array<uint8_t, 6> parse_mac(const char* text) {
  std::array<unsigned, 6> b{};
  if (std::sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) {
    die(std::string("load: not a MAC address: ") + text);
  }
  std::array<uint8_t, 6> mac{};
  for (size_t i = 0; i < 6; ++i) {
    mac[i] = static_cast<uint8_t>(b[i]);
  }
  return mac;
}

Options parse(int argc, char** argv) {
  static const option kLong[] = {
      {"socket", 1, nullptr, 's'}, {"id", 1, nullptr, 'i'},     {"mac", 1, nullptr, 'm'},
      {"peer", 1, nullptr, 'p'},   {"window", 1, nullptr, 'w'}, {"size", 1, nullptr, 'z'},
      {"name", 1, nullptr, 'n'},   {"secret", 1, nullptr, 'x'}, {nullptr, 0, nullptr, 0}};
  Options o;
  o.client.name = "load";
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (c) {
      case 's':
        o.socket = optarg;
        break;
      case 'i':
        o.client.id = static_cast<uint32_t>(std::strtoul(optarg, nullptr, 10));
        break;
      case 'm':
        o.mac = parse_mac(optarg);
        break;
      case 'p':
        o.peer = parse_mac(optarg);
        break;
      case 'w':
        o.window = static_cast<uint16_t>(std::strtoul(optarg, nullptr, 10));
        break;
      case 'z':
        o.size = static_cast<uint32_t>(std::strtoul(optarg, nullptr, 10));
        break;
      case 'n':
        o.client.name = optarg;
        break;
      case 'x':
        o.client.secret = optarg;
        break;
      default:
        std::exit(2);
    }
  }
  if (o.socket.size() < 2 || o.size < sizeof(Header) || o.size > 2048 || o.window > 512) {
    die("load: needs --socket, --mac, --peer, --size 26 to 2048, --window at most 512");
  }
  return o;
}

double now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

void report(const Counts& counts, bool final) {
  std::printf("{\"sent\":%llu,\"received\":%llu,\"invalid\":%llu,\"final\":%s}\n",
              static_cast<unsigned long long>(counts.sent),
              static_cast<unsigned long long>(counts.received),
              static_cast<unsigned long long>(counts.invalid), final ? "true" : "false");
  std::fflush(stdout);
}

class Load {
 public:
  explicit Load(const Options& options) : o_(options), peer_(options.socket, options.client) {}

  // Takes what has arrived; returns how many frames are to be sent for it.
  uint16_t receive() {
    const uint32_t arrived = peer_.receive([this](const std::byte* frame, uint32_t length) {
      Header header;
      std::memcpy(&header, frame, sizeof header);
      const bool ours = header.destination == o_.mac && header.magic == kMagic && length == o_.size;
      counts.invalid += ours ? 0 : 1;
    });
    counts.received += arrived;
    return static_cast<uint16_t>(arrived);
  }

  // Sends at most `frames`; returns how many did not fit.
  uint16_t send(uint16_t frames) {
    peer_.look();
    for (; frames > 0; --frames) {
      std::byte* place = peer_.claim(o_.size);
      if (place == nullptr) {
        break;
      }
      const Header header{o_.peer, o_.mac, {0x88, 0xb5}, kMagic, counts.sent++};
      std::memcpy(place, &header, sizeof header);
    }
    peer_.flush();
    return frames;
  }

  void wait(int timeout_ms) { peer_.wait(timeout_ms); }
  bool hung_up() { return peer_.hung_up(); }

  Counts counts;

 private:
  const Options o_;
  bench::Peer peer_;
};

bool input_ended() {
  char c = 0;
  return ::read(STDIN_FILENO, &c, 1) == 0;
}

// As long as nobody has spoken: once a second a line, so that the parent sees us attached.
void await_start() {
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
  }
  ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
}

constexpr double kQuiet_s = 0.2;
constexpr double kLook_s =
    0.001;  // at standard input and at the peer: system calls, not for every burst

void circulate(Load& load, uint16_t window) {
  double next_report = now() + 1;
  double next_look = 0;
  double last_frame = now();
  bool ending = false;
  uint16_t owed = window;
  for (uint32_t empty = 0;;) {
    const uint16_t arrived = load.receive();
    owed = ending ? uint16_t{0} : load.send(static_cast<uint16_t>(owed + arrived));
    empty = arrived > 0 ? 0 : empty + 1;
    if (empty > 256) {
      load.wait(10);
    }
    const double t = now();
    last_frame = arrived > 0 ? t : last_frame;
    if (t < next_look) {
      continue;
    }
    next_look = t + kLook_s;
    ending = ending || input_ended();
    if (t >= next_report) {
      report(load.counts, false);
      next_report += 1;
    }
    if ((ending && t - last_frame > kQuiet_s) || load.hung_up()) {
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  const Options options = parse(argc, argv);
  Load load(options);
  report(load.counts, false);
  await_start();
  circulate(load, options.window);
  report(load.counts, true);
  return 0;
}
