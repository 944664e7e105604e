// Several workers, ports that come, go and move, tables that change, and traffic through all of it. What it checks
// besides the balance is what the thread sanitizer sees.
#include <atomic>

#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("attach, detach, flush and scrape beside traffic cost a steady pair no frame") {
  Fixture fixture(3);
  const uint16_t other = fixture.add_bridge();
  const PortId steady_in = fixture.add_port("in", {.interface = {.queues = 2}});
  const PortId steady_out = fixture.add_port("out");
  const PortId mover = fixture.add_port("mover");
  // In another bridge, so that their floods do not fill the pair's rings.
  fixture.add_port("guest", {.bridge = other});
  fixture.add_port("neighbour", {.bridge = other});
  Station neighbour(fixture.socket("neighbour"));
  Station in(fixture.socket("in"), {.queues = 2});
  Station out(fixture.socket("out"));
  EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(2), steady_out).ok());
  std::atomic<bool> stop{false};
  std::thread guests([&] {
    while (!stop) {
      Station guest(fixture.socket("guest"));
      for (uint8_t i = 0; i < 50 && guest.attached(); ++i) {
        guest.send(frame(9, static_cast<uint8_t>(100 + i)));
      }
    }
  });
  std::thread operators([&] {
    for (int i = 0; !stop; ++i) {
      uint32_t flushed = 0;
      static_cast<void>(fixture.sw.flush_macs(fixture.bridge, kNoPort, flushed));
      static_cast<void>(
          fixture.sw.set_port(mover, i % 2 == 0 ? other : fixture.bridge, 0, kMaxFrame));
      static_cast<void>(fixture.sw.port_states());
      static_cast<void>(fixture.imbalance());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  // A frame at a time on each queue, so that a full ring is nobody's fault.
  uint32_t arrived = 0;
  for (uint32_t i = 0; i < 2000; ++i) {
    const Bytes sent = frame(2, 1, 64 + i % 100, static_cast<uint8_t>(i));
    EXPECT(in.send(sent, i % 2));
    EXPECT(out.expect_frame() == sent);
    ++arrived;
  }
  stop = true;
  guests.join();
  operators.join();
  EXPECT_EQ(arrived, 2000);
  EXPECT_EQ(fixture.count(steady_in, &PortCounters::rx_frames), 2000);
  EXPECT_SOON(fixture.imbalance() == 0);
}
