// Policies of ports, through real rings and a real worker: isolation, who may speak, rates and storms.
#include <ctime>

#include "control/policies.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// Stations on one bridge, each port with its own policy.
struct Row {
  explicit Row(std::vector<PolicyOptions> policies) {
    for (size_t i = 0; i < policies.size(); ++i) {
      const std::string name = "p" + std::to_string(i);
      ports.push_back(fixture.add_port(name, {.policy = policies[i]}));
      stations.push_back(std::make_unique<Station>(fixture.socket(name)));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
  }
  Station& operator[](size_t i) { return *stations[i]; }

  void expect_nothing(size_t i) { EXPECT(!stations[i]->receive().has_value()); }
  void expect_drop(size_t i, Drop reason, uint64_t times = 1) {
    EXPECT_SOON(fixture.drops(ports[i], reason) == times);
  }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
};

constexpr PolicyOptions kPrivate{.isolated = true};

}  // namespace

TEST("isolated ports see the uplink and not each other") {
  Row row({{}, kPrivate, kPrivate});  // the uplink first
  EXPECT(row[1].send(frame(0xff, 1)));
  EXPECT(row[0].expect_frame() == frame(0xff, 1));
  EXPECT(row[2].send(frame(0xff, 2)));
  EXPECT(row[0].expect_frame() == frame(0xff, 2));
  // Both addresses are known now.
  EXPECT(row[1].send(frame(2, 1)));
  row.expect_drop(1, Drop::kIsolated);
  row.expect_nothing(2);
  EXPECT(row[0].send(frame(0xff, 9)));
  EXPECT(row[1].expect_frame() == frame(0xff, 9));
  EXPECT(row[2].expect_frame() == frame(0xff, 9));
  EXPECT(row[2].send(frame(9, 2)));
  EXPECT(row[0].expect_frame() == frame(9, 2));
  EXPECT_SOON(row.fixture.imbalance() == 0);
}

TEST("isolation ends and begins on a live port") {
  Row row({{}, kPrivate, kPrivate});
  EXPECT(row.fixture.sw.set_policy(row.ports[2], {}).ok());
  EXPECT(row[1].send(frame(0xff, 1)));
  EXPECT(row[2].expect_frame() == frame(0xff, 1));
  EXPECT(row.fixture.sw.set_policy(row.ports[2], kPrivate).ok());
  EXPECT(row[0].expect_frame() == frame(0xff, 1));
  EXPECT(row[2].send(frame(1, 2)));
  row.expect_drop(2, Drop::kIsolated);
  EXPECT_EQ(row.fixture.sw.set_policy(99, {}).code, Code::kNotFound);
}

TEST("only the listed addresses may speak, of frames of any shape") {
  PolicyOptions policy{.senders = SenderOptions{.macs = {mac(1), mac(5)}}};
  Row row({policy, {}});
  EXPECT(row[0].send(frame(0xff, 1, 300)));
  EXPECT(row[1].expect_frame() == frame(0xff, 1, 300));
  EXPECT(row[0].send(frame(0xff, 2)));
  row.expect_drop(0, Drop::kSpoofedMac);
  EXPECT_EQ(row.fixture.state(row.ports[0]).macs, 1);  // 2 was not learned
  EXPECT(row[0].send(frame(0xff, 5, 9000)));
  EXPECT(row[1].expect_frame() == frame(0xff, 5, 9000));
  EXPECT(row[1].send(frame(0xff, 2)));  // others may
  EXPECT(row[0].expect_frame() == frame(0xff, 2));
  EXPECT_SOON(row.fixture.imbalance() == 0);
}

TEST("what was dropped already is neither judged, nor counted by a rate, nor dropped again") {
  const RateOptions slow{.frames = 1, .burst_ms = 1000};
  Row row({{.senders = SenderOptions{.macs = {mac(1)}}, .rx = slow}, {}});
  EXPECT(row.fixture.sw.set_port(row.ports[0], row.fixture.bridge, 0, 1514).ok());
  for (int i = 0; i < 20; ++i) {
    EXPECT(row[0].send(frame(0xff, 1, 1600)));
    EXPECT(row[0].send(frame(0xff, 2, 1600)));
  }
  row.expect_drop(0, Drop::kOversize, 40);
  EXPECT(row[0].send(frame(0xff, 1)));
  EXPECT(row[1].expect_frame() == frame(0xff, 1));
  EXPECT_EQ(row.fixture.drops(row.ports[0], Drop::kSpoofedMac), 0);
  EXPECT_EQ(row.fixture.drops(row.ports[0], Drop::kRxRate), 0);
  EXPECT_SOON(row.fixture.imbalance() == 0);
}

TEST("a rate lets its burst pass, and the rest is dropped where it came in, or was to leave") {
  for (const bool tx : {false, true}) {
    const expect::Row name(tx ? "tx" : "rx");
    const RateOptions slow{.frames = 1, .burst_ms = 10'000};
    PolicyOptions in{.rx = tx ? RateOptions{} : slow};
    PolicyOptions out{.tx = tx ? slow : RateOptions{}};
    const std::time_t start = std::time(nullptr);
    Row row({in, out});
    for (int i = 0; i < 40; ++i) {
      EXPECT(row[0].send(frame(0xff, 1)));
    }
    const size_t where = tx ? 1 : 0;
    const Drop reason = tx ? Drop::kTxRate : Drop::kRxRate;
    const auto passed = [&] { return row.fixture.count(row.ports[1], &PortCounters::tx_frames); };
    EXPECT_SOON(passed() + row.fixture.drops(row.ports[where], reason) == 40);
    EXPECT(passed() >= 10);
    EXPECT(passed() <= 12 + static_cast<uint64_t>(std::time(nullptr) - start));
    EXPECT_SOON(row.fixture.imbalance() == 0);
  }
}

TEST("a rate of bits counts bytes, not frames") {
  // 8,000 bits deep: ten frames of 100 bytes, or one of 1,500.
  PolicyOptions policy{.rx = {.bits = 800, .burst_ms = 10'000}};
  for (const size_t length : {size_t{100}, size_t{1500}}) {
    const expect::Row name(std::to_string(length));
    const std::time_t start = std::time(nullptr);
    Row row({policy, {}});
    for (int i = 0; i < 40; ++i) {
      EXPECT(row[0].send(frame(0xff, 1, length)));
    }
    const auto passed = [&] { return row.fixture.count(row.ports[1], &PortCounters::tx_frames); };
    EXPECT_SOON(passed() + row.fixture.drops(row.ports[0], Drop::kRxRate) == 40);
    const uint64_t least = length == 100 ? 10 : 1;
    EXPECT(passed() >= least);
    EXPECT(passed() <= least + 2 + static_cast<uint64_t>(std::time(nullptr) - start));
  }
}

TEST("storm control counts what is flooded, each sort by itself, and nothing else") {
  PolicyOptions policy{.storm = {2, 3, 4}};
  Row row({policy, {}});
  EXPECT(row[1].send(frame(1, 2)));  // 2 is known
  row[0].expect_frame();
  Bytes multicast = frame(9, 1);
  multicast[0] = 0x33;
  const std::time_t start = std::time(nullptr);
  for (int i = 0; i < 20; ++i) {
    EXPECT(row[0].send(frame(0xff, 1)));
    EXPECT(row[0].send(multicast));
    EXPECT(row[0].send(frame(9, 1)));
    EXPECT(row[0].send(frame(2, 1)));
  }
  const auto passed = [&] { return row.fixture.count(row.ports[1], &PortCounters::tx_frames); };
  EXPECT_SOON(passed() + row.fixture.drops(row.ports[0], Drop::kStorm) == 80);
  EXPECT(passed() >= 20 + 2 + 3 + 4);
  const auto seconds = static_cast<uint64_t>(std::time(nullptr) - start) + 1;
  EXPECT(passed() <= 20 + (2 + 3 + 4) * (1 + seconds));
  EXPECT_SOON(row.fixture.imbalance() == 0);
}

TEST("policies change under traffic; every frame is accounted for") {
  Row row({{}, {}});
  std::jthread changes([&](const std::stop_token& stop) {
    for (uint64_t i = 0; !stop.stop_requested(); ++i) {
      const PolicyOptions policy{.isolated = i % 2 == 0,
                                 .senders = SenderOptions{.macs = {mac(1)}},
                                 .rx = {.frames = 1'000'000 + i},
                                 .storm = {1000, 0, i % 3}};
      EXPECT(row.fixture.sw.set_policy(row.ports[i % 2], policy).ok());
    }
  });
  for (int i = 0; i < 3000; ++i) {
    while (!row[0].send(frame(i % 5 == 0 ? 0xff : 2, 1))) {
      std::this_thread::yield();
    }
    while (row[1].receive()) {
    }
  }
  changes.request_stop();
  changes.join();
  EXPECT_SOON(row.fixture.count(row.ports[0], &PortCounters::rx_frames) == 3000);
  EXPECT_SOON(row.fixture.imbalance() == 0);
}
