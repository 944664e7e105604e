// Learning from bursts, seen at the stage itself: which frames share a burst is not up to chance here.
#include "dataplane/worker.h"
#include "tables/bridge.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

class Silent final : public Port {
 public:
  using Port::Port;
  void transmit(Burst&, std::span<const uint8_t>, uint16_t, PortCounters&) override {}
};

// A worker that polls nothing, and one port of a bridge.
struct Stage {
  Shared shared;
  std::vector<PortCounters> counters = std::vector<PortCounters>(kMaxPorts);
  WorkerCounters own;
  Worker worker{0, shared, counters.data(), own};
  Bridge bridge{1, 100};
  Silent port{1, &bridge, 100};

  void learn_from(std::initializer_list<Bytes> frames) {
    Burst& burst = worker.burst;
    burst.count = 0;
    for (const Bytes& bytes : frames) {
      const auto length = static_cast<uint32_t>(bytes.size());
      burst.frames[burst.count++] = {.data = reinterpret_cast<const std::byte*>(bytes.data()),
                                     .buffer = nullptr,
                                     .length = length,
                                     .first_length = length,
                                     .segment = 0,
                                     .segments = 0};
    }
    snapshot(burst);
    classify(burst, counters[1], kMaxFrame);
    if (burst.thinned) {
      thin(burst);
    }
    hash(burst, bridge);
    learn(burst, worker, port, bridge);
  }
  bool knows(uint8_t last) {
    MacTable::Entry entry;
    return bridge.macs.look(mac(last), entry);
  }
};

}  // namespace

TEST("a source is learned once of a run, of each run, and of any frame that is not dropped") {
  const Bytes oversize = frame(9, 4, 70'000);
  const auto stage = std::make_unique<Stage>();
  stage->learn_from({frame(9, 1), frame(9, 1), frame(9, 2), frame(9, 1), oversize, frame(9, 4)});
  for (const uint8_t source : {uint8_t{1}, uint8_t{2}, uint8_t{4}}) {
    const expect::Row row("source " + std::to_string(source));
    EXPECT(stage->knows(source));
  }
  EXPECT_EQ(stage->bridge.macs.size(), 3);
  EXPECT_EQ(stage->port.macs.used(), 3);
}

TEST("what was learned before a restart is learned again, where it still can be") {
  Fixture fixture(1, {.ageing = 300});
  const PortId here = fixture.add_port("here");
  const PortId elsewhere = fixture.add_port("elsewhere", {.bridge = fixture.add_bridge()});
  EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(7), here).ok());
  const std::vector<MacTable::Entry> kept{
      {.mac = mac(1), .port = here, .seen = 10},
      {.mac = mac(2), .port = elsewhere, .seen = 10},  // another bridge's
      {.mac = mac(3), .port = 99, .seen = 10},         // nobody's
      {.mac = mac(4), .port = here, .seen = 301},      // too old
      {.mac = 0, .port = here, .seen = 10},            // no address
      {.mac = mac(6) | 1, .port = here, .seen = 10},   // a group's
      {.mac = with_vlan(mac(8), 5),
       .port = here,
       .seen = 10},                                // of a VLAN, and the bridge has none
      {.mac = mac(7), .port = here, .seen = 10}};  // known
  EXPECT_EQ(fixture.sw.relearn(fixture.bridge, kept), 1);
  EXPECT_EQ(fixture.state(here).macs, 1);
  EXPECT_EQ(fixture.state(elsewhere).macs, 0);
  uint16_t age = 0;
  EXPECT(fixture.sw
             .find_mac(fixture.bridge, mac(1),
                       [&](const MacTable::Entry&, uint16_t seconds) { age = seconds; })
             .ok());
  EXPECT(age >= 10);
}

TEST("nothing is learned of frames that are dropped for what they are") {
  Bytes group = frame(9, 5);
  group[6] |= 1;
  const auto stage = std::make_unique<Stage>();
  stage->learn_from({frame(9, 4, 13), frame(9, 4, 70'000), group});
  EXPECT_EQ(stage->bridge.macs.size(), 0);
  EXPECT_EQ(stage->port.macs.used(), 0);
}
