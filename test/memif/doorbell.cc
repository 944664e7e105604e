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
