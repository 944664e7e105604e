// What a tunnel learns and forgets, seen at the tunnel itself: with a clock that the test moves, and an underlay that leads
// nowhere.
#include "control/tunnel.h"
#include "test/ports/vxlan/kit.h"
#include "vxlan/neighbor.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

struct Nowhere final : Underlay {
  void send(Burst& /*burst*/, std::span<const Parcel> parcels, VxlanPort& /*tunnel*/,
            uint16_t /*worker*/, PortCounters& /*counters*/) override {
    for (const Parcel& parcel : parcels) {
      sent.push_back(parcel.remote);
    }
  }
  std::vector<RemoteIndex> sent;
};

struct Stage {
  explicit Stage(VxlanPort::Options options = {.vni = 7})
      : tunnel(2, &bridge, kMaxMacs, options, underlay, shared) {
    shared.clock = 1000;
    tunnel.add_worker(0, counters.data());
    tunnel.flood.store(&flood);
  }
  RemoteIndex remote_of(uint8_t last) const {
    return tunnel.addresses.find(mac(last), tunnel.addresses.hash(mac(last)));
  }
  // A frame from inside, as a worker hands it over.
  void transmit(const Bytes& bytes) {
    burst->count = 1;
    burst->frames[0] = Frame::whole(reinterpret_cast<const std::byte*>(bytes.data()),
                                    static_cast<uint32_t>(bytes.size()));
    burst->fate[0] = kUnderWay;
    snapshot(*burst);
    constexpr std::array<uint8_t, 1> kThis{0};
    tunnel.transmit(*burst, kThis, 0, counters[2]);
  }

  Shared shared;
  std::vector<PortCounters> counters = std::vector<PortCounters>(kMaxPorts);
  Bridge bridge{1, 100};
  Nowhere underlay;
  VxlanPort tunnel;
  std::vector<RemoteIndex> flood;
  std::unique_ptr<Burst> burst = std::make_unique<Burst>();
};

}  // namespace

TEST("vxlan: an address that moves between remotes is held once") {
  const auto stage = std::make_unique<Stage>();
  const RemoteIndex two = stage->tunnel.remotes.add(ip("192.0.2.2"));
  const RemoteIndex three = stage->tunnel.remotes.add(ip("192.0.2.3"));
  for (int round = 0; round < 10; ++round) {
    stage->tunnel.heard(two, mac(9), 64, 0);
    EXPECT_EQ(stage->remote_of(9), two);
    stage->tunnel.heard(three, mac(9), 64, 0);
    EXPECT_EQ(stage->remote_of(9), three);
    EXPECT_EQ(stage->tunnel.addresses_quota.used(), 1U);
  }
}

TEST("vxlan: neither a group's address nor any where the bridge does not learn") {
  const auto stage = std::make_unique<Stage>();
  const RemoteIndex two = stage->tunnel.remotes.add(ip("192.0.2.2"));
  stage->tunnel.heard(two, mac(9) | 1, 64, 0);
  stage->tunnel.heard(two, 0, 64, 0);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 0U);
  stage->bridge.learn = false;
  stage->tunnel.heard(two, mac(9), 64, 0);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 0U);
  EXPECT_EQ(stage->remote_of(9), kNoRemote);
}

TEST("vxlan: with `learn` only what can be a host's address becomes a remote") {
  const auto stage = std::make_unique<Stage>(VxlanPort::Options{.vni = 7, .learn_remotes = true});
  for (const char* nobody : {"0.0.0.0", "224.0.0.1", "::", "ff02::1"}) {
    const expect::Row row(nobody);
    EXPECT_EQ(stage->tunnel.sender(ip(nobody)), kNoRemote);
  }
  EXPECT(stage->tunnel.sender(ip("192.0.2.2")) != kNoRemote);
  EXPECT(stage->tunnel.sender(ip("2001:db8::2")) != kNoRemote);
}

TEST("vxlan: a neighbour is answered for while it is not older than the bridge's ageing") {
  const auto stage =
      std::make_unique<Stage>(VxlanPort::Options{.vni = 7, .answers = {.suppress = true}});
  stage->bridge.ageing = 300;
  const RemoteIndex two = stage->tunnel.remotes.add(ip("192.0.2.2"));
  stage->flood = {two};
  const vxlan::Station here{ip("10.0.0.1"), mac(1), 0};
  const vxlan::Station there{ip("10.0.0.2"), mac(9), 0};
  const auto written = [](auto write) {
    Bytes bytes(vxlan::kMaxNeighborFrame);
    bytes.resize(write(reinterpret_cast<std::byte*>(bytes.data())));
    return bytes;
  };
  const auto hear = [&](const Bytes& bytes, uint8_t source) {
    stage->tunnel.heard(two, mac(source), 64, 0);
    stage->tunnel.listener()->listen(std::as_bytes(std::span(bytes)),
                                     static_cast<uint32_t>(bytes.size()));
  };
  const Bytes answer = written([&](std::byte* to) { return vxlan::write_answer(to, there, here); });
  const Bytes question =
      written([&](std::byte* to) { return vxlan::write_question(to, here, there.address); });
  const auto flooded = [&](const Bytes& bytes) {
    stage->underlay.sent.clear();
    stage->transmit(bytes);
    return !stage->underlay.sent.empty();
  };
  EXPECT(flooded(question));
  // Somebody who speaks for another station is not believed.
  Bytes spoken = answer;
  spoken[11] = 8;
  hear(spoken, 8);
  stage->tunnel.heard(two, mac(9), 64, 0);
  EXPECT(flooded(question));
  hear(answer, 9);
  EXPECT(!flooded(question));
  // Nor is one answered who asks in the name of another.
  Bytes asked = question;
  asked[11] = 8;
  EXPECT(flooded(asked));
  // Who was behind the remote and is here now tells all of it, as Linux does: he is asked by nobody.
  const Bytes moved =
      written([&](std::byte* to) { return vxlan::write_question(to, there, there.address); });
  EXPECT(flooded(moved));
  stage->shared.clock = 1300;
  EXPECT(!flooded(question));
  stage->shared.clock = 1301;
  EXPECT(flooded(question));
}

namespace {

class Silent final : public Port {
 public:
  using Port::Port;
  void transmit(Burst&, std::span<const uint8_t>, uint16_t, PortCounters&) override {}
};

// Control's half as well; a worker is under way until the test lets it pass.
struct Controlled : Stage {
  Controlled() : Stage({.vni = 7, .learn_remotes = true}) {
    bridge.ageing = 300;
    end->options.local = ip("192.0.2.1");
    end->port = std::make_unique<PortUnderlay>(PortUnderlay::Options{}, nic, shared.clock);
    control = std::make_shared<Tunnel>(tunnel, end, reclaim, shared.clock);
    control->set_remotes({ip("192.0.2.2")});
    two = tunnel.remotes.find(ip("192.0.2.2"));
    shared.epoch.online(0);
  }
  void pass() {
    shared.epoch.quiescent(0);
    reclaim.run();
  }
  // So often that all of the table has been looked at.
  void age_at(uint16_t now) {
    shared.clock = now;
    for (int second = 0; second < 300; ++second) {
      control->each_second();
    }
    pass();
  }
  [[nodiscard]] RemoteStatus status(const char* address) const {
    for (const RemoteStatus& remote : control->status()) {
      if (remote.address == ip(address)) {
        return remote;
      }
    }
    return {};
  }

  Silent nic{1, nullptr, kMaxMacs};
  Reclaim reclaim{shared.epoch};
  std::shared_ptr<OwnEnd> end = std::make_shared<OwnEnd>();
  std::shared_ptr<Tunnel> control;
  RemoteIndex two = kNoRemote;
};

}  // namespace

TEST("vxlan: addresses and remotes that were learned age, what was configured does not") {
  const auto stage = std::make_unique<Controlled>();
  const RemoteIndex stranger = stage->tunnel.sender(ip("192.0.2.9"));
  stage->tunnel.heard(stage->two, mac(9), 64, 0);
  stage->tunnel.heard(stranger, mac(8), 64, 0);
  EXPECT(stage->control->add_static(mac(7), ip("192.0.2.2")).ok());
  stage->age_at(1300);
  EXPECT_EQ(stage->remote_of(9), stage->two);
  EXPECT_EQ(stage->remote_of(8), stranger);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 2U);
  EXPECT_EQ(stage->control->status().size(), 2U);
  stage->age_at(1301);
  EXPECT_EQ(stage->remote_of(9), kNoRemote);
  EXPECT_EQ(stage->remote_of(8), kNoRemote);
  EXPECT_EQ(stage->remote_of(7), stage->two);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 0U);
  EXPECT_EQ(stage->control->status().size(), 1U);
  EXPECT(stage->control->status()[0].configured);
}

TEST("vxlan: a remote that leaves takes all with it, also what a burst under way still learns") {
  const auto stage = std::make_unique<Controlled>();
  stage->tunnel.heard(stage->two, mac(9), 64, 0);
  EXPECT_EQ(stage->status("192.0.2.2").rx_frames, 1U);
  EXPECT_EQ(stage->status("192.0.2.2").macs, 1U);
  EXPECT(stage->control->remove_remote(ip("192.0.2.2")).ok());
  EXPECT_EQ(stage->remote_of(9), kNoRemote);
  EXPECT(stage->control->status().empty());
  stage->tunnel.heard(stage->two, mac(8), 64, 0);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 1U);
  stage->pass();
  EXPECT_EQ(stage->remote_of(8), kNoRemote);
  EXPECT_EQ(stage->tunnel.addresses_quota.used(), 0U);
  // Whoever gets its number finds nothing of it.
  EXPECT(stage->control->add_remote(ip("192.0.2.3")).ok());
  EXPECT_EQ(stage->tunnel.remotes.find(ip("192.0.2.3")), stage->two);
  EXPECT_EQ(stage->status("192.0.2.3").rx_frames, 0U);
  EXPECT_EQ(stage->status("192.0.2.3").macs, 0U);
}

TEST("vxlan: what is flushed was learned") {
  const auto stage = std::make_unique<Controlled>();
  stage->tunnel.heard(stage->two, mac(9), 64, 0);
  EXPECT(stage->control->add_static(mac(7), ip("192.0.2.2")).ok());
  EXPECT_EQ(stage->control->flush(false), 1U);
  EXPECT_EQ(stage->remote_of(9), kNoRemote);
  EXPECT_EQ(stage->remote_of(7), stage->two);
  EXPECT_EQ(stage->control->flush(true), 1U);
  EXPECT_EQ(stage->remote_of(7), kNoRemote);
}
