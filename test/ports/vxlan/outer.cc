// What a tunnel's options put into the outer headers: TTL, DSCP set and inherited, "don't fragment", both UDP ports.
#include <netinet/udp.h>

#include <set>

#include "dataplane/pieces.h"
#include "dataplane/worker.h"
#include "ports/vxlan_port.h"
#include "tables/bridge.h"
#include "test/ports/vxlan/port_kit.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr uint8_t kTtl = 7;
constexpr uint16_t kFirstPort = 50'000;
constexpr uint16_t kLastPort = 50'007;

// DSCP 46 (expedited forwarding) and an ECN mark, which a tunnel in compatibility mode never copies (RFC 6040, 4.1).
constexpr uint8_t kMarked = 46 << 2 | 1;
constexpr uint8_t kExpedited = 46 << 2;

// Not IP: a flow is a pair of addresses then, whatever follows.
Bytes plain(uint8_t source, size_t length, uint8_t seed = 0) {
  Bytes made = frame(2, source, length, seed);
  made[12] = 0x88, made[13] = 0xb5;
  return made;
}

struct Inner {
  const char* what;
  Bytes frame;
  uint8_t inherited;
};

std::vector<Inner> inners() {
  Bytes four = frame(2, 1, 100);
  four[12] = 0x08, four[13] = 0x00, four[14] = 0x45, four[15] = kMarked;
  Bytes six = frame(2, 1, 100);
  six[12] = 0x86, six[13] = 0xdd, six[14] = 0x60 | kMarked >> 4,
  six[15] = static_cast<uint8_t>(kMarked << 4);
  Bytes tagged = four;
  const uint8_t tag[] = {0x81, 0, 0, 100};
  tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
  return {{"IPv4 inside", four, kExpedited},
          {"IPv6 inside", six, kExpedited},
          {"a tag inside", tagged, kExpedited},
          {"not IP inside", plain(1, 100), 0}};
}

VxlanOptions marked(VxlanOptions options, int dscp, bool dont_fragment) {
  options.vtep.ttl = kTtl;
  options.vtep.dscp = dscp;
  options.vtep.dont_fragment = dont_fragment;
  options.vtep.first_source_port = kFirstPort;
  options.vtep.last_source_port = kLastPort;
  return options;
}

// As it lies in an Ethernet frame.
struct Outer {
  Outer(const Bytes& frame, bool ipv4)
      : tos(ipv4 ? frame[15] : static_cast<uint8_t>(frame[14] << 4 | frame[15] >> 4)),
        ttl(frame[ipv4 ? 22 : 21]),
        dont_fragment(ipv4 && (frame[20] & 0x40) != 0),
        id(ipv4 ? word(frame, 18) : uint16_t{0}),
        source_port(word(frame, ipv4 ? 34 : 54)),
        port(word(frame, ipv4 ? 36 : 56)) {}
  static uint16_t word(const Bytes& frame, size_t at) {
    return static_cast<uint16_t>(frame[at] << 8 | frame[at + 1]);
  }
  uint8_t tos;
  uint8_t ttl;
  bool dont_fragment;
  uint16_t id;
  uint16_t source_port;
  uint16_t port;
};

bool in_range(uint16_t port) {
  return port >= kFirstPort && port <= kLastPort;
}

// To the kernel: what its stack tells of a datagram beside its payload.
struct Told {
  int tos = -1;
  int ttl = -1;
  uint16_t source_port = 0;
  size_t size = 0;
};

Told expect_told(int fd) {
  std::array<std::byte, 65536> payload;
  alignas(cmsghdr) std::array<std::byte, 256> control{};
  sockaddr_in name{};
  iovec piece{payload.data(), payload.size()};
  msghdr message{.msg_name = &name,
                 .msg_namelen = sizeof name,
                 .msg_iov = &piece,
                 .msg_iovlen = 1,
                 .msg_control = control.data(),
                 .msg_controllen = control.size(),
                 .msg_flags = 0};
  ssize_t got = 0;
  EXPECT_SOON((got = ::recvmsg(fd, &message, 0)) >= 0);
  Told told{.source_port = ntohs(name.sin_port), .size = static_cast<size_t>(got)};
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      told.tos = static_cast<int>(*CMSG_DATA(c));
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
      std::memcpy(&told.ttl, CMSG_DATA(c), sizeof told.ttl);
    }
  }
  return told;
}

void ask_for(int fd, int level, int name) {
  const int one = 1;
  EXPECT_EQ(::setsockopt(fd, level, name, &one, sizeof one), 0);
}

}  // namespace

TEST("vxlan over a port: TTL, DSCP, \"don't fragment\" and UDP ports are as they are configured") {
  for (const bool ipv4 : {true, false}) {
    for (const int dscp : {-1, 0, 10}) {
      const bool dont_fragment = dscp != 0;
      VxlanOptions options = marked(over(kNoPort, ipv4), dscp, dont_fragment);
      options.vtep.port = 8472;
      Crossing crossing(options);
      EXPECT(crossing.near->send(frame(2, 1)));
      crossing.far->answer_question();
      EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
      int last_id = -1;
      for (const Inner& inner : inners()) {
        const expect::Row row(std::string(ipv4 ? "IPv4, " : "IPv6, ") + "DSCP " +
                              std::to_string(dscp) + ", " + inner.what);
        EXPECT(crossing.near->send(inner.frame));
        const Outer outer(crossing.far->station.expect_frame(), ipv4);
        EXPECT_EQ(outer.tos, dscp < 0 ? inner.inherited : dscp << 2);
        EXPECT_EQ(outer.ttl, kTtl);
        EXPECT_EQ(outer.dont_fragment, ipv4 && dont_fragment);
        // Pieces of a datagram are told from those of another by it (RFC 6864, 4.3).
        EXPECT(!ipv4 || dont_fragment || outer.id != last_id);
        last_id = outer.id;
        EXPECT(in_range(outer.source_port));
        EXPECT_EQ(outer.port, 8472);
      }
    }
  }
}

TEST("vxlan over a port: flows inside spread over all source ports, each flow keeps its own") {
  Crossing crossing(marked(over(kNoPort, true), 0, true));
  EXPECT(crossing.near->send(frame(2, 1)));
  crossing.far->answer_question();
  EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
  std::set<uint16_t> ports;
  for (uint8_t flow = 0; flow < 100; ++flow) {
    uint16_t first = 0;
    for (uint8_t number = 0; number < 2; ++number) {
      EXPECT(crossing.near->send(plain(static_cast<uint8_t>(4 + flow), 60, number)));
      const Outer outer(crossing.far->station.expect_frame(), true);
      EXPECT(number == 0 || outer.source_port == first);
      first = outer.source_port;
    }
    ports.insert(first);
  }
  EXPECT_EQ(ports.size(), size_t{kLastPort - kFirstPort + 1});
}

TEST("vxlan over the kernel: TTL, DSCP and source port are as they are configured") {
  for (const int dscp : {-1, 0, 10}) {
    Site site(marked(tunnel("127.0.0.1", {"127.0.0.2"}), dscp, true));
    Peer peer("127.0.0.2");
    ask_for(peer.socket.get(), IPPROTO_IP, IP_RECVTOS);
    ask_for(peer.socket.get(), IPPROTO_IP, IP_RECVTTL);
    for (const Inner& inner : inners()) {
      const expect::Row row("DSCP " + std::to_string(dscp) + ", " + inner.what);
      EXPECT(site.station->send(inner.frame));
      const Told told = expect_told(peer.socket.get());
      EXPECT_EQ(told.tos, dscp < 0 ? inner.inherited : dscp << 2);
      EXPECT_EQ(told.ttl, kTtl);
      EXPECT(in_range(told.source_port));
      EXPECT_EQ(told.size, 8 + inner.frame.size());
    }
  }
}

TEST("vxlan over the kernel: frames of a flow and a size go as one, where there are checksums") {
  for (const bool sums : {true, false}) {
    const expect::Row row(sums ? "with checksums" : "without");
    VxlanOptions options = tunnel("127.0.0.1", {"127.0.0.2"});
    options.vtep.udp_checksum = sums;
    Site site(options);
    Peer peer("127.0.0.2");
    // What was sent as one arrives as one here: nobody on the loopback cuts it up.
    ask_for(peer.socket.get(), SOL_UDP, UDP_GRO);
    const size_t one = 8 + frame(2, 1, 1000).size();
    // The worker takes what has come together: how much that is, is not ours to say.
    const auto joined = [&] {
      size_t frames = 0;
      size_t largest = 0;
      for (int i = 0; i < 32; ++i) {
        EXPECT_SOON(site.station->send(frame(2, 1, 1000)));
      }
      while (frames < 32) {
        const size_t size = expect_told(peer.socket.get()).size;
        EXPECT_EQ(size % one, 0U);
        frames += size / one;
        largest = std::max(largest, size);
      }
      return largest > one;
    };
    if (sums) {
      EXPECT_SOON(joined());
    } else {
      EXPECT(!joined());
    }
    EXPECT_SOON(site.fixture.imbalance() == 0);
  }
}

TEST("vxlan over the kernel: of a flow only what has one DSCP goes as one, where it is inherited") {
  Site site(marked(tunnel("127.0.0.1", {"127.0.0.2"}), -1, true));
  Peer peer("127.0.0.2");
  ask_for(peer.socket.get(), IPPROTO_IP, IP_RECVTOS);
  Bytes inner = frame(2, 1, 200);
  inner[12] = 0x08, inner[13] = 0, inner[14] = 0x45;
  const auto tos = [](int i) { return static_cast<uint8_t>(i % 2 == 0 ? kExpedited : 0); };
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 64; ++i) {
      inner[15] = tos(i);
      EXPECT_SOON(site.station->send(inner));
    }
    for (int i = 0; i < 64; ++i) {
      EXPECT_EQ(expect_told(peer.socket.get()).tos, tos(i));
    }
  }
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

namespace {

// Keeps what leaves by it.
class Taker final : public Port {
 public:
  using Port::Port;
  void transmit(Burst& burst, std::span<const uint8_t> which, uint16_t,
                PortCounters& counters) override {
    for (const uint8_t f : which) {
      Bytes& bytes = sent.emplace_back(burst.frames[f].length);
      gather_judged(reinterpret_cast<std::byte*>(bytes.data()), burst.frames[f].length, burst, f);
    }
    counters.tx_frames.add(which.size());
  }
  std::vector<Bytes> sent;
};

}  // namespace

TEST("vxlan over a port: frames in more pieces than a burst has room for leave whole") {
  Shared shared;
  std::vector<PortCounters> counters(kMaxPorts);
  Bridge bridge(1, 100);
  Taker nic(1, nullptr, kMaxMacs);
  const vxlan::Station self{ip("192.0.2.1"), kOurs, 0};
  PortUnderlay::Options options{.self = self};
  std::vector<RemoteIndex> flood;
  for (const char* remote : {"192.0.2.2", "192.0.2.3", "192.0.2.4"}) {
    options.neighbors.push_back({ip(remote), mac(2)});
  }
  PortUnderlay underlay(options, nic, shared.clock);
  underlay.add_worker(0, counters[1]);
  VxlanPort tunnel(2, &bridge, kMaxMacs, {.vni = 7}, underlay, shared);
  tunnel.add_worker(0, counters.data());
  for (const StaticNeighbor& neighbor : options.neighbors) {
    flood.push_back(tunnel.remotes.add(neighbor.address));
  }
  tunnel.flood.store(&flood);

  constexpr uint8_t kFrames = 100;
  constexpr uint32_t kPiece = 100;
  const auto burst = std::make_unique<Burst>();
  std::vector<Bytes> frames;
  std::vector<uint8_t> which;
  for (uint8_t f = 0; f < kFrames; ++f) {
    frames.push_back(frame(0xff, 1, 4 * kPiece, f));
    which.push_back(f);
  }
  for (const Bytes& bytes : frames) {
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    burst->frames[burst->count] = {.data = data,
                                   .buffer = nullptr,
                                   .length = 4 * kPiece,
                                   .first_length = kPiece,
                                   .segment = burst->segments,
                                   .segments = 3};
    burst->fate[burst->count++] = kUnderWay;
    for (uint32_t piece = 1; piece < 4; ++piece) {
      burst->pieces[burst->segments++] = {data + piece * kPiece, kPiece};
    }
  }
  snapshot(*burst);
  tunnel.transmit(*burst, which, 0, counters[2]);
  EXPECT_EQ(nic.sent.size(), 3U * kFrames);
  for (size_t i = 0; i < nic.sent.size(); ++i) {
    const Bytes& sent = nic.sent[i];
    EXPECT_EQ(sent[33], 2 + i % 3);
    EXPECT(Bytes(sent.end() - 4 * kPiece, sent.end()) == frames[i / 3]);
  }
  EXPECT_EQ(counters[2].tx_frames.get(), 3U * kFrames);
}
