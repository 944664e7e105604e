// Several workers, ports that come, go and move, tables that change, and traffic through all of it. What it checks
// besides the balance is what the thread sanitizer sees.
#include <atomic>
#include <stop_token>

#include "memif/wire.h"
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

namespace {

// Numbered frames from one station to another, as fast as both go, until told to stop: then for all that are on their
// way. Fewer are under way than a ring has slots, so a full ring is nobody's excuse.
class Stream {
 public:
  Stream(Station& from, Station& to)
      : thread_([this, &from, &to](const std::stop_token& stop) { run(from, to, stop); }) {}

  // All that were sent; fails when one is missing, changed or out of order.
  uint32_t finish() {
    thread_.request_stop();
    thread_.join();
    EXPECT_EQ(wrong_, 0);
    EXPECT_EQ(received_, sent_);
    return sent_;
  }

 private:
  static constexpr uint32_t kWindow = 500;

  static Bytes numbered(uint32_t n) {
    Bytes bytes = frame(2, 1, 64 + n % 1400, static_cast<uint8_t>(n));
    std::memcpy(bytes.data() + 14, &n, sizeof n);
    return bytes;
  }

  void run(Station& from, Station& to, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      while (sent_ - received_ < kWindow && from.send(numbered(sent_))) {
        ++sent_;
      }
      take(to);
    }
    expect::within(expect::kPatience, [&] {
      take(to);
      return received_ == sent_;
    });
  }

  void take(Station& to) {
    while (const std::optional<Bytes> got = to.receive()) {
      wrong_ += *got != numbered(received_) ? 1 : 0;
      ++received_;
    }
    std::this_thread::yield();
  }

  uint32_t sent_ = 0;
  uint32_t received_ = 0;
  uint32_t wrong_ = 0;
  std::jthread thread_;  // ends before what it works on does
};

// How a peer can come and go.
constexpr std::array<const char*, 5> kWays = {"says goodbye", "dies", "dies in its handshake",
                                              "loses its port", "serves a port that comes back"};

void come_and_go(Fixture& fixture, size_t way, PortId& guest, PortId& server) {
  if (way == 2) {
    static_cast<void>(Station::dial(fixture.socket("guest")));
    return;
  }
  if (way == 4) {
    EXPECT(fixture.sw.remove_port(server).ok());
    server = fixture.add_port("server");
    return;
  }
  Station station(fixture.socket("guest"));
  EXPECT_EQ(station.refusal(), "");
  for (uint8_t i = 0; i < 10; ++i) {
    EXPECT(station.send(frame(50, static_cast<uint8_t>(100 + i))));
  }
  if (way == 0) {
    station.channel().send_disconnect("enough");
  } else if (way == 3) {
    EXPECT(fixture.sw.remove_port(guest).ok());
    EXPECT_EQ(station.farewell(), "the port was removed");
    guest = fixture.add_port("guest");
  }
}

}  // namespace

TEST("a thousand peers that come and go in its bridge cost a pair at full speed no frame") {
  Fixture fixture(2);
  const PortId in_port = fixture.add_port("in");
  const PortId out_port = fixture.add_port("out");
  const PortId sink_port = fixture.add_port("sink");
  PortId guest = fixture.add_port("guest");
  PortId server = fixture.add_port("server");
  const PortId caller = fixture.add_port(
      "caller", {.is_client = true, .place = {.socket = fixture.socket("server")}});
  Station in(fixture.socket("in"));
  Station out(fixture.socket("out"));
  Station sink(fixture.socket("sink"));  // so that frames of guests are not flooded to the pair
  EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(2), out_port).ok());
  EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(50), sink_port).ok());
  Stream stream(in, out);
  for (size_t i = 0; i < 1000; ++i) {
    const size_t way = i % kWays.size();
    const expect::Row row(std::string("a peer ") + kWays[way]);
    come_and_go(fixture, way, guest, server);
    while (sink.receive()) {
    }
  }
  const uint32_t sent = stream.finish();
  EXPECT(sent > 1000);
  EXPECT_EQ(fixture.count(in_port, &PortCounters::rx_frames), sent);
  EXPECT_EQ(fixture.count(out_port, &PortCounters::tx_frames), sent);
  EXPECT_SOON(fixture.state(caller).link);
}
