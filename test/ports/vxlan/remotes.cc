// Who gets which frame: remotes, addresses behind them, several tunnels; and what cannot be.
#include "test/ports/vxlan/kit.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("vxlan: flooding makes a copy for each remote; a learned address gets its frames alone") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3", "127.0.0.4"}));
  Peer two("127.0.0.2");
  Peer three("127.0.0.3");
  Peer four("127.0.0.4");
  EXPECT(site.station->send(frame(0xff, 1)));
  for (Peer* vtep : {&two, &three, &four}) {
    EXPECT(vtep->expect_payload() == with_header(7, frame(0xff, 1)));
  }
  EXPECT_EQ(site.fixture.count(site.t, &PortCounters::copies), 2);
  three.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(three.expect_payload() == with_header(7, frame(9, 1)));
  // The address has moved to another remote.
  four.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(four.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT_EQ(site.remote("127.0.0.3").macs, 0);
  EXPECT_EQ(site.remote("127.0.0.4").macs, 1);
  // What the bridge forgets is flooded again.
  uint32_t flushed = 0;
  EXPECT(site.fixture.sw.flush_macs(site.fixture.bridge, kNoPort, flushed).ok());
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(two.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: from one tunnel to another of a bridge nothing goes; without split horizon it does") {
  for (const bool split : {true, false}) {
    VxlanOptions one = tunnel("127.0.0.1", {"127.0.0.2"}, 7);
    VxlanOptions two = tunnel("127.0.0.1", {"127.0.0.3"}, 8);
    one.split_horizon = two.split_horizon = split;
    Site site(one);
    const PortId t2 = site.add(two);
    Peer near("127.0.0.2");
    Peer far("127.0.0.3");
    near.send("127.0.0.1", with_header(7, frame(0xff, 5)));
    EXPECT(site.station->expect_frame() == frame(0xff, 5));
    EXPECT(site.fixture.sw.add_static_mac(site.fixture.bridge, mac(6), t2).ok());
    near.send("127.0.0.1", with_header(7, frame(6, 5)));
    if (split) {
      EXPECT_SOON(site.fixture.drops(site.t, Drop::kSplitHorizon) == 1);
      EXPECT(!far.receive().has_value());
    } else {
      EXPECT(far.expect_payload() == with_header(8, frame(0xff, 5)));
      EXPECT(far.expect_payload() == with_header(8, frame(6, 5)));
    }
    EXPECT_SOON(site.fixture.imbalance() == 0);
  }
}

TEST("vxlan: remotes come and go on a live tunnel") {
  Site site(tunnel("127.0.0.1", {}));
  Peer peer("127.0.0.2");
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 1);
  EXPECT(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).ok());
  EXPECT(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).code == Code::kExists);
  EXPECT(site.fixture.sw.add_remote(site.t, ip("2001:db8::1")).code == Code::kInvalid);
  EXPECT(site.fixture.sw.add_remote(site.a, ip("127.0.0.2")).code == Code::kInvalid);
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT(peer.expect_payload() == with_header(7, frame(0xff, 1)));
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).ok());
  EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).code == Code::kNotFound);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 2);
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kUnknownRemote) == 1);
  EXPECT(!peer.receive().has_value());
  for (int round = 0; round < 3000; ++round) {  // more than there are indexes
    EXPECT_SOON(site.fixture.sw.add_remote(site.t, ip("127.0.0.2")).ok());
    EXPECT(site.fixture.sw.remove_remote(site.t, ip("127.0.0.2")).ok());
  }
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: with `learn`, a VTEP that nobody named is heard and answered, not flooded to") {
  VxlanOptions options = tunnel("127.0.0.1", {});
  options.learn_remotes = true;
  Site site(options);
  Peer peer("127.0.0.9");
  peer.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(!site.remote("127.0.0.9").configured);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(peer.expect_payload() == with_header(7, frame(9, 1)));
  EXPECT(site.station->send(frame(0xff, 1)));
  EXPECT_SOON(site.fixture.drops(site.t, Drop::kNoRemote) == 1);
  EXPECT_SOON(site.fixture.imbalance() == 0);
}

TEST("vxlan: a static address stays behind its remote, whatever is heard") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3"}));
  Peer two("127.0.0.2");
  Peer three("127.0.0.3");
  Switch& sw = site.fixture.sw;
  const uint16_t bridge = site.fixture.bridge;
  EXPECT(sw.add_static_mac(bridge, mac(9), site.t, ip("127.0.0.4")).code == Code::kNotFound);
  EXPECT(sw.add_static_mac(bridge, mac(9), site.a, ip("127.0.0.2")).code == Code::kInvalid);
  EXPECT(sw.add_static_mac(bridge, mac(9), site.t, ip("127.0.0.2")).ok());
  three.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(two.expect_payload() == with_header(7, frame(9, 1)));
  const std::pair<PortId, Mac> asked[] = {{site.t, mac(9)}, {site.a, mac(1)}, {site.t, mac(8)}};
  const auto remotes = sw.remotes_of(asked);
  EXPECT(remotes[0] == ip("127.0.0.2"));
  EXPECT(!remotes[1] && !remotes[2]);
  // One without a remote is behind the one that was heard: known, but not given.
  EXPECT(sw.add_static_mac(bridge, mac(8), site.t).ok());
  three.send("127.0.0.1", with_header(7, frame(1, 8)));
  EXPECT(site.station->expect_frame() == frame(1, 8));
  EXPECT(sw.remotes_of(asked)[2] == ip("127.0.0.3"));
  EXPECT(sw.remotes_of(asked, true)[0] == ip("127.0.0.2"));
  EXPECT(!sw.remotes_of(asked, true)[2]);
  uint32_t flushed = 0;
  EXPECT(sw.flush_macs(bridge, kNoPort, flushed).ok());
  EXPECT(sw.remotes_of(asked, true)[0] == ip("127.0.0.2"));
  EXPECT(!sw.remotes_of(asked)[2]);
  bool removed = false;
  EXPECT(sw.remove_mac(bridge, mac(9), removed).ok());
  EXPECT(removed);
  EXPECT(site.station->send(frame(9, 1)));
  EXPECT(three.expect_payload() == with_header(7, frame(9, 1)));
}

TEST("vxlan: what was learned behind a tunnel is not learned again, for its remote is not known") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3"}));
  const std::vector<MacTable::Entry> kept{{.mac = mac(9), .port = site.t, .seen = 1},
                                          {.mac = mac(8), .port = site.a, .seen = 1}};
  EXPECT_EQ(site.fixture.sw.relearn(site.fixture.bridge, kept), 1U);
  EXPECT_EQ(site.fixture.state(site.t).macs, 0U);
  EXPECT_EQ(site.fixture.state(site.a).macs, 1U);
  // The first frame that it sends tells both tables where it is.
  Peer two("127.0.0.2");
  two.send("127.0.0.1", with_header(7, frame(1, 9)));
  EXPECT(site.station->expect_frame() == frame(1, 9));
  EXPECT_EQ(site.fixture.state(site.t).macs, 1U);
  EXPECT_EQ(site.remote("127.0.0.2").macs, 1U);
}

TEST("vxlan: what cannot be opened is refused in words, and leaves nothing") {
  Fixture fixture;
  PortId port = kNoPort;
  const auto refusal = [&](VxlanOptions options) {
    return fixture.sw.add_port({.bridge = fixture.bridge, .vxlan = std::move(options)}, port);
  };
  Peer taken("127.0.0.7");
  EXPECT(refusal(tunnel("127.0.0.7", {})).code == Code::kInUse);
  EXPECT_CONTAINS(refusal(tunnel("127.0.0.7", {})).message, "another program");
  EXPECT(refusal(tunnel("192.0.2.99", {})).code == Code::kNotFound);
  EXPECT_CONTAINS(refusal(tunnel("192.0.2.99", {})).message, "does not have that address");
  VxlanOptions nowhere = tunnel("127.0.0.1", {});
  nowhere.vtep.netns = "no-such-namespace";
  EXPECT_CONTAINS(refusal(nowhere).message, "no-such-namespace");
  EXPECT(refusal(tunnel("127.0.0.1", {}, 7)).ok());
  VxlanOptions other = tunnel("127.0.0.1", {}, 8);
  other.vtep.ttl = 3;
  EXPECT(refusal(other).code == Code::kInvalid);
  EXPECT_EQ(fixture.sw.port_states().size(), 1U);
}

TEST("vxlan: a tunnel goes while its frames come, and its neighbour on the VTEP loses none") {
  Site site(tunnel("127.0.0.1", {"127.0.0.2"}, 7));
  Peer peer("127.0.0.2");
  for (uint8_t round = 0; round < 20; ++round) {
    const PortId second = site.add(tunnel("127.0.0.1", {"127.0.0.2"}, 8));
    for (int i = 0; i < 50; ++i) {
      peer.send("127.0.0.1", with_header(i % 2 == 0 ? 7 : 8, frame(1, 9, 64, round)));
      if (i == 25) {
        EXPECT(site.fixture.sw.remove_port(second).ok());
      }
    }
    for (int i = 0; i < 25; ++i) {
      EXPECT(site.station->expect_frame().size() == 64);
    }
    EXPECT_SOON(site.fixture.count(site.t, &PortCounters::rx_frames) >= 25U * (round + 1U));
    while (site.station->receive()) {
    }
  }
  EXPECT(site.fixture.sw.remove_port(site.t).ok());
}
