// Mirrors: what is copied, that the counters balance all the same, and that nothing goes round.
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// Two stations that speak, and one that gets copies.
struct Span {
  explicit Span(bool rx = true, bool tx = true) {
    for (const char* name : {"a", "b", "mon"}) {
      ports.push_back(fixture.add_port(name));
      stations.push_back(std::make_unique<Station>(fixture.socket(name)));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
    const Status status =
        fixture.sw.add_mirror({.from = {ports[0]}, .to = ports[2], .rx = rx, .tx = tx}, id);
    EXPECT_EQ(status.message, "");
  }
  Station& operator[](size_t i) { return *stations[i]; }

  void exchange() {
    EXPECT(stations[0]->send(frame(2, 1)));
    EXPECT(stations[1]->expect_frame() == frame(2, 1));
    EXPECT(stations[1]->send(frame(1, 2, 1500)));
    EXPECT(stations[0]->expect_frame() == frame(1, 2, 1500));
  }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
  uint32_t id = 0;
};

}  // namespace

TEST("a mirror copies what comes in and what has left, once each") {
  Span span;
  span.exchange();
  EXPECT(span[2].expect_frame() == frame(2, 1));
  EXPECT(span[2].expect_frame() == frame(1, 2, 1500));
  EXPECT(!span[2].receive().has_value());
  EXPECT_EQ(span.fixture.count(span.ports[0], &PortCounters::copies), 2);
  EXPECT_EQ(span.fixture.count(span.ports[2], &PortCounters::tx_frames), 2);
  EXPECT_EQ(span.fixture.sw.mirrors().at(0).frames, 2);
  EXPECT_EQ(span.fixture.sw.mirrors().at(0).bytes, 1564);
  EXPECT_EQ(span.fixture.imbalance(), 0);
}

TEST("a copy that is too long for its port is lost, and the frame goes its way") {
  Span span;
  EXPECT(span.fixture.sw.set_port(span.ports[2], span.fixture.bridge, 0, 1000).ok());
  span.exchange();
  EXPECT(span[2].expect_frame() == frame(2, 1));
  EXPECT_SOON(span.fixture.sw.mirrors().at(0).lost == 1);
  EXPECT(!span[2].receive().has_value());
  EXPECT_SOON(span.fixture.imbalance() == 0);
}

TEST("a mirror of one direction copies that one") {
  Span in(true, false);
  in.exchange();
  EXPECT(in[2].expect_frame() == frame(2, 1));
  EXPECT(!in[2].receive().has_value());
  Span out(false, true);
  out.exchange();
  EXPECT(out[2].expect_frame() == frame(1, 2, 1500));
  EXPECT(!out[2].receive().has_value());
}

TEST("what is dropped on its way in is copied; what is dropped on its way out is not") {
  Span span;
  EXPECT(span[0].send(frame(1, 0xff)));
  EXPECT(span[2].expect_frame() == frame(1, 0xff));
  span.exchange();
  span[2].expect_frame();
  span[2].expect_frame();
  const size_t ring = span[0].link().rx[0].size;
  for (size_t sent = 0; sent < ring + 10;) {
    sent += span[1].send(frame(1, 2)) ? 1 : 0;
    while (span[2].receive()) {
    }
  }
  EXPECT_SOON(span.fixture.count(span.ports[1], &PortCounters::rx_frames) == ring + 11);
  EXPECT_SOON(span.fixture.imbalance() == 0);
  const MirrorStatus mirror = span.fixture.sw.mirrors().at(0);
  EXPECT_EQ(mirror.frames + mirror.lost,
            2 + span.fixture.count(span.ports[0], &PortCounters::tx_frames));
  EXPECT_EQ(span.fixture.imbalance(), 0);
}

TEST("copies that their port does not take are counted there, and nothing else suffers") {
  Span span;
  const size_t ring = span[2].link().rx[0].size;
  for (size_t i = 0; i < ring + 10; ++i) {
    EXPECT(span[0].send(frame(2, 1)));
    EXPECT(span[1].expect_frame() == frame(2, 1));
  }
  EXPECT_EQ(span.fixture.drops(span.ports[2], Drop::kMirrorLost), 10);
  EXPECT_EQ(span.fixture.sw.mirrors().at(0).lost, 10);
  EXPECT_EQ(span.fixture.imbalance(), 0);
}

TEST("the port of the copies only sends: it is out of its bridge, and is back afterwards") {
  Span span;
  EXPECT(span[2].send(frame(2, 9)));
  EXPECT_SOON(span.fixture.drops(span.ports[2], Drop::kMirrorPort) == 1);
  EXPECT(span[1].send(frame(0xff, 2)));
  EXPECT(span[0].expect_frame() == frame(0xff, 2));
  EXPECT(span[2].expect_frame() == frame(0xff, 2));  // the copy of what left by a, not a flood
  EXPECT(!span[2].receive().has_value());
  EXPECT_EQ(span.fixture.imbalance(), 0);
  EXPECT(span.fixture.sw.remove_mirror(span.id).ok());
  EXPECT(span[2].send(frame(2, 9)));
  EXPECT(span[1].expect_frame() == frame(2, 9));
}

TEST("mirrors that would send copies of copies are refused") {
  Span span;
  Switch& sw = span.fixture.sw;
  uint32_t id = 0;
  EXPECT(sw.add_mirror({.from = {span.ports[2]}, .to = span.ports[1]}, id).code == Code::kInvalid);
  EXPECT(sw.add_mirror({.from = {span.ports[1]}, .to = span.ports[0]}, id).code == Code::kInvalid);
  EXPECT(sw.add_mirror({.from = {span.ports[1]}, .to = span.ports[1]}, id).code == Code::kInvalid);
  EXPECT(sw.add_mirror({.from = {999}, .to = span.ports[1]}, id).code == Code::kNotFound);
  EXPECT(sw.remove_port(span.ports[2]).code == Code::kInUse);
  EXPECT(sw.remove_port(span.ports[0]).ok());
  EXPECT(sw.remove_mirror(span.id).ok());
  EXPECT(sw.remove_port(span.ports[2]).ok());
}

TEST("two mirrors to one port, come and gone in traffic, lose nothing") {
  Span span;
  for (int round = 0; round < 50; ++round) {
    uint32_t second = 0;
    EXPECT(span.fixture.sw.add_mirror({.from = {span.ports[1]}, .to = span.ports[2]}, second).ok());
    span.exchange();
    for (int copies = 0; copies < 4; ++copies) {
      span[2].expect_frame();
    }
    EXPECT(span.fixture.sw.remove_mirror(second).ok());
  }
  EXPECT_EQ(span.fixture.imbalance(), 0);
}
