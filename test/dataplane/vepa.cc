// Ports whose frames all go to an uplink, and what a switch behind it sends back; through real rings and a real worker.
#include "control/policies.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr PolicyOptions kAggregated{.vepa = true};

// An uplink, and two ports that are vepa.
struct Aggregator {
  explicit Aggregator(BridgeOptions options = {}) : fixture(1, options) {
    for (const auto& [name, policy] :
         {std::pair{"uplink", PolicyOptions{}}, {"one", kAggregated}, {"two", kAggregated}}) {
      ports.push_back(fixture.add_port(name, {.policy = policy}));
      stations.push_back(std::make_unique<Station>(fixture.socket(name)));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
  }
  Station& operator[](size_t i) { return *stations[i]; }

  // `sent` by a station comes to the uplink alone; what is sent back there comes to `receivers` alone.
  void expect_round(size_t from, const Bytes& sent, const std::vector<size_t>& receivers) {
    EXPECT(stations[from]->send(sent));
    EXPECT(stations[0]->expect_frame() == sent);
    for (size_t i = 1; i < stations.size(); ++i) {
      expect_nothing(i);
    }
    EXPECT(stations[0]->send(sent));
    for (const size_t i : receivers) {
      EXPECT(stations[i]->expect_frame() == sent);
    }
    EXPECT_SOON(fixture.imbalance() == 0);
    for (size_t i = 0; i < stations.size(); ++i) {
      expect_nothing(i);
    }
  }
  void expect_nothing(size_t i) { EXPECT(!stations[i]->receive().has_value()); }
  uint32_t macs(size_t i) { return fixture.state(ports[i]).macs; }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
};

}  // namespace

TEST("what vepa ports send goes to the uplink, and from there to whom it is for") {
  Aggregator switch_;
  switch_.expect_round(1, frame(0xff, 1), {2});  // broadcast: not to its sender
  switch_.expect_round(2, frame(0xff, 2), {1});
  switch_.expect_round(1, frame(2, 1), {2});  // known
  switch_.expect_round(2, frame(1, 2), {1});
  switch_.expect_round(1, frame(7, 1), {2});  // unknown
  EXPECT_EQ(switch_.macs(0), 0);              // no address moved to the uplink
  EXPECT_EQ(switch_.macs(1), 1);
  EXPECT_EQ(switch_.macs(2), 1);
  EXPECT_EQ(switch_.fixture.count(switch_.ports[0], &PortCounters::moves), 0);
}

TEST("stations behind the uplink are found as behind any port, but not what they send back") {
  Aggregator switch_;
  EXPECT(switch_[0].send(frame(0xff, 9)));
  EXPECT(switch_[1].expect_frame() == frame(0xff, 9));
  EXPECT(switch_[2].expect_frame() == frame(0xff, 9));
  EXPECT_EQ(switch_.macs(0), 1);
  EXPECT(switch_[1].send(frame(9, 1)));
  EXPECT(switch_[0].expect_frame() == frame(9, 1));
  EXPECT(switch_[0].send(frame(9, 1)));  // to a station that it has itself
  EXPECT_SOON(switch_.fixture.drops(switch_.ports[0], Drop::kSamePort) == 1);
  EXPECT_EQ(switch_.macs(1), 1);
}

TEST("two addresses behind one vepa port reach each other by the uplink") {
  Aggregator switch_;
  switch_.expect_round(1, frame(0xff, 1), {2});
  switch_.expect_round(1, frame(0xff, 3), {2});
  switch_.expect_round(1, frame(3, 1), {1});
}

TEST("a frame that came back for nobody else is dropped as reflected") {
  Aggregator switch_;
  EXPECT(switch_.fixture.sw.remove_port(switch_.ports[2]).ok());
  switch_.ports.pop_back();
  switch_.stations.pop_back();
  switch_.expect_round(1, frame(0xff, 1), {});
  EXPECT_SOON(switch_.fixture.drops(switch_.ports[0], Drop::kReflected) == 1);
}

TEST("without flooding vepa ports still reach known addresses") {
  Aggregator switch_({.flood = false});
  EXPECT(switch_[1].send(frame(0xff, 1)));
  EXPECT(switch_[2].send(frame(0xff, 2)));
  EXPECT_SOON(switch_.fixture.drops(switch_.ports[1], Drop::kNoDestination) == 1);
  EXPECT_SOON(switch_.fixture.drops(switch_.ports[2], Drop::kNoDestination) == 1);
  switch_.expect_round(1, frame(2, 1), {2});
}

TEST("vepa begins and ends on live ports") {
  Aggregator switch_;
  for (const size_t i : {1, 2}) {
    EXPECT(switch_.fixture.sw.set_policy(switch_.ports[i], {}).ok());
  }
  EXPECT(switch_[1].send(frame(0xff, 1)));
  EXPECT(switch_[0].expect_frame() == frame(0xff, 1));
  EXPECT(switch_[2].expect_frame() == frame(0xff, 1));
  EXPECT(switch_[0].send(frame(0xff, 1)));  // now an address like any other: it moves
  EXPECT(switch_[1].expect_frame() == frame(0xff, 1));
  EXPECT_SOON(switch_.macs(0) == 1);
  for (const size_t i : {1, 2}) {
    EXPECT(switch_.fixture.sw.set_policy(switch_.ports[i], kAggregated).ok());
  }
  EXPECT(switch_[2].expect_frame() == frame(0xff, 1));
  switch_.expect_round(1, frame(0xff, 1), {2});
  EXPECT_EQ(switch_.macs(0), 0);
}
