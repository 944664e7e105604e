// When a peer is woken.
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("a doorbell is rung once for each burst when asked, and never when not") {
  Fixture fixture;
  fixture.add_port("a");
  fixture.add_port("b");
  Station a(fixture.socket("a"));
  Station b(fixture.socket("b"));
  const memif::Ring& ring = b.link().rx[0];
  uint64_t rings = 0;
  EXPECT(a.send(frame(2, 1)));
  b.expect_frame();
  EXPECT_EQ(::read(ring.doorbell, &rings, sizeof rings), -1);
  memif::store_release(ring.flags, 0);
  for (uint64_t i = 1; i <= 5; ++i) {
    EXPECT(a.send(frame(2, 1)));
    b.expect_frame();
    EXPECT_SOON(::read(ring.doorbell, &rings, sizeof rings) == sizeof rings);
    EXPECT_EQ(rings, 1);
  }
}

namespace {

// Receives like a peer that sleeps: unmask, look, and only then wait for the doorbell.
Bytes sleep_for_frame(Station& station) {
  const memif::Ring& ring = station.link().rx[0];
  for (;;) {
    std::atomic_ref<uint16_t>(*ring.flags).exchange(0);
    if (std::optional<Bytes> frame = station.receive()) {
      return *frame;
    }
    pollfd entry{.fd = ring.doorbell, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, 10'000) != 1) {
      expect::fail(__FILE__, __LINE__, "left asleep");
    }
    uint64_t rings = 0;
    EXPECT_EQ(::read(ring.doorbell, &rings, sizeof rings), sizeof rings);
    memif::store_release(ring.flags, memif::kRingMaskInterrupt);
  }
}

}  // namespace

TEST("a peer that sleeps between frames is never left asleep") {
  Fixture fixture;
  fixture.add_port("a");
  fixture.add_port("b");
  Station a(fixture.socket("a"));
  Station b(fixture.socket("b"));
  std::thread echo([&] {
    for (int i = 0; i < 5000; ++i) {
      const Bytes got = sleep_for_frame(b);
      EXPECT(b.send(frame(1, 2, got.size())));
    }
  });
  for (int i = 0; i < 5000; ++i) {
    const Bytes sent = frame(2, 1, 64 + static_cast<size_t>(i) % 100);
    EXPECT(a.send(sent));
    EXPECT_EQ(sleep_for_frame(a).size(), sent.size());
  }
  echo.join();
}

namespace {

class Sleeper final : public Port {
 public:
  using Port::Port;
  void transmit(Burst&, std::span<const uint8_t>, uint16_t, PortCounters&) override {}
};

// Both halves of a handshake, without a socket between them.
memif::Link shake_hands(memif::ClientHandshake& client) {
  memif::ServerHandshake server(
      [](uint32_t, memif::Reason&) { return std::optional(memif::Interface{}); });
  memif::Record from_server{.message = memif::ServerHandshake::hello("test", {}), .fds = {}};
  for (;;) {
    memif::Record from_client;
    int fd = -1;
    if (client.take(from_server, from_client.message, fd) ==
        memif::ClientHandshake::Step::kConnected) {
      return memif::server_link(std::move(server.attachment()));
    }
    if (fd >= 0) {
      from_client.fds.emplace_back(::dup(fd));
    }
    EXPECT(server.take(from_client, from_server.message) != memif::ServerHandshake::Step::kEnd);
  }
}

}  // namespace

TEST("a peer that asks to be woken after the last burst is woken by the second look, once") {
  memif::ClientHandshake client({});
  Sleeper port(1, nullptr, 0);
  MemifLink link(port, shake_hands(client), -1);
  const memif::Ring& ring = client.link().rx[0];
  const Bytes sent = frame(2, 1);
  const auto burst = std::make_unique<Burst>();
  burst->count = 1;
  burst->frames[0].data = reinterpret_cast<const std::byte*>(sent.data());
  burst->frames[0].length = burst->frames[0].first_length = 64;
  burst->frames[0].segments = 0;
  snapshot(*burst);
  PortCounters counters;
  const uint8_t which[] = {0};
  link.transmit(*burst, which, counters);
  EXPECT_EQ(counters.tx_frames.get(), 1);
  uint64_t rings = 0;
  EXPECT_EQ(::read(ring.doorbell, &rings, sizeof rings), -1);
  memif::store_release(ring.flags, 0);  // too late for transmit() to see
  link.settle();
  link.settle();
  EXPECT_EQ(::read(ring.doorbell, &rings, sizeof rings), sizeof rings);
  EXPECT_EQ(rings, 1);
}
