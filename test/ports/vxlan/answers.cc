// What a tunnel says to the inside by itself.
#include "test/ports/vxlan/port_kit.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr auto kQuestion = vxlan::NeighborMessage::Kind::kQuestion;
constexpr auto kAnswer = vxlan::NeighborMessage::Kind::kAnswer;

Bytes made(uint32_t (*write)(std::byte*, const vxlan::Station&, const IpAddress&),
           const vxlan::Station& self, const IpAddress& target) {
  Bytes bytes(vxlan::kMaxNeighborFrame);
  bytes.resize(write(reinterpret_cast<std::byte*>(bytes.data()), self, target));
  return bytes;
}

Bytes question(const vxlan::Station& self, const IpAddress& target) {
  return made(vxlan::write_question, self, target);
}

Bytes answer(const vxlan::Station& self, const vxlan::Station& asker, bool router = false) {
  Bytes bytes(vxlan::kMaxNeighborFrame);
  bytes.resize(
      vxlan::write_answer(reinterpret_cast<std::byte*>(bytes.data()), self, asker, router));
  return bytes;
}

std::optional<vxlan::NeighborMessage> read(const Bytes& frame) {
  return vxlan::read_neighbor(Far::head(frame), static_cast<uint32_t>(frame.size()));
}

// An IPv4 packet from 10.0.0.1 to 10.0.0.2 that must not be cut.
Bytes packet(uint8_t destination, uint8_t source, size_t length) {
  Bytes bytes = frame(destination, source, length);
  const Bytes ip{0x45,
                 0,
                 static_cast<uint8_t>((length - 14) >> 8),
                 static_cast<uint8_t>(length - 14),
                 0,
                 0,
                 0x40,
                 0,
                 64,
                 17,
                 0,
                 0,
                 10,
                 0,
                 0,
                 1,
                 10,
                 0,
                 0,
                 2};
  std::ranges::copy(ip, bytes.begin() + 14);
  vxlan::Checksum sum;
  sum.add(bytes.data() + 14, 20);
  const uint16_t value = sum.complement();
  std::memcpy(bytes.data() + 24, &value, 2);
  return bytes;
}

}  // namespace

TEST("vxlan: a packet that is too long is answered, where that is wanted") {
  for (const bool wanted : {true, false}) {
    const expect::Row row(wanted ? "wanted" : "not wanted");
    VxlanOptions options = over(kNoPort, true);
    options.vtep.mtu = 1500;
    options.answers.too_big = wanted;
    Crossing crossing(options);
    Station& near = *crossing.near;
    EXPECT(near.send(packet(2, 1, 64)));
    crossing.far->answer_question();
    EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
    crossing.far->send(frame(1, 2));
    EXPECT(near.expect_frame() == frame(1, 2));
    EXPECT(near.send(packet(2, 1, 1464)));
    EXPECT(crossing.far->expect_inner() == packet(2, 1, 1464));
    EXPECT(near.send(packet(2, 1, 1465)));
    EXPECT_SOON(crossing.fixture.drops(crossing.tunnel, Drop::kTooLong) == 1);
    EXPECT_EQ(crossing.fixture.sw.tunnels()[0].remotes[0].drops, 2U);
    if (wanted) {
      const Bytes told = near.expect_frame();
      EXPECT_EQ(told.size(), 590U);
      EXPECT_EQ(told[5], 1);
      EXPECT_EQ(told[34], 3);
      EXPECT_EQ(told[35], 4);
      EXPECT_EQ(told[40] << 8 | told[41], 1450);
    }
    EXPECT_SOON(crossing.imbalance() == 0);
    EXPECT(!near.receive().has_value());
  }
}

TEST("vxlan: at most a hundred such answers a second") {
  VxlanOptions options = over(kNoPort, true);
  options.vtep.mtu = 600;
  options.answers.too_big = true;
  Crossing crossing(options);
  crossing.far->send(frame(1, 2));
  EXPECT(crossing.near->expect_frame() == frame(1, 2));
  uint64_t told = 0;
  const auto take = [&] {
    while (crossing.near->receive()) {
      ++told;
    }
  };
  for (int i = 0; i < 5000; ++i) {
    EXPECT_SOON((take(), crossing.near->send(packet(2, 1, 1000))));
  }
  EXPECT_SOON(crossing.fixture.drops(crossing.tunnel, Drop::kTooLong) == 5000);
  EXPECT_SOON((take(), crossing.imbalance() == 0));
  EXPECT(told >= 100 && told < 2500);
}

TEST("vxlan: over the kernel too, a packet longer than the way is told its MTU") {
  VxlanOptions options = tunnel("127.0.0.1", {"127.0.0.2"});
  options.answers.too_big = true;
  Site site(options);
  Peer peer("127.0.0.2");
  peer.send("127.0.0.1", with_header(7, frame(1, 2)));
  EXPECT(site.station->expect_frame() == frame(1, 2));
  EXPECT(site.station->send(packet(2, 1, 65'510)));
  const Bytes told = site.station->expect_frame();
  EXPECT_EQ(told[34], 3);
  EXPECT_EQ(told[40] << 8 | told[41], 65'535 - 36 - 14);
  EXPECT_EQ(site.fixture.drops(site.t, Drop::kTooLong), 1);
}

TEST("vxlan: questions for stations behind remotes are answered from what was heard") {
  for (const bool ipv4 : {true, false}) {
    for (const uint16_t vlan : {uint16_t{0}, uint16_t{7}}) {
      const expect::Row row(std::string(ipv4 ? "IPv4" : "IPv6") + ", VLAN " + std::to_string(vlan));
      VxlanOptions options = tunnel("127.0.0.1", {"127.0.0.2", "127.0.0.3"});
      options.answers.suppress = true;
      Site site(options);
      Station& near = *site.station;
      Peer two("127.0.0.2");
      Peer three("127.0.0.3");
      const vxlan::Station here{ip(ipv4 ? "10.0.0.1" : "fd00::1"), mac(1), vlan};
      const vxlan::Station there{ip(ipv4 ? "10.0.0.2" : "fd00::2"), mac(2), vlan};
      // Nobody has heard of it yet: flooded.
      EXPECT(near.send(question(here, there.address)));
      EXPECT(two.expect_payload() == with_header(7, question(here, there.address)));
      EXPECT(three.expect_payload() == with_header(7, question(here, there.address)));
      two.send("127.0.0.1", with_header(7, answer(there, here, !ipv4)));
      EXPECT(near.expect_frame() == answer(there, here, !ipv4));
      // Now it is known: answered as the station did, and nobody is asked.
      EXPECT(near.send(question(here, there.address)));
      const auto told = read(near.expect_frame());
      EXPECT(told && told->kind == kAnswer);
      EXPECT(told->sender.address == there.address);
      EXPECT(told->sender.mac == there.mac);
      EXPECT_EQ(told->sender.vlan, vlan);
      EXPECT_EQ(told->router, !ipv4);
      EXPECT_EQ(site.fixture.count(site.t, &PortCounters::consumed), 1U);
      EXPECT(!two.receive() && !three.receive());
      // A question for oneself tells the others where one is; another VLAN is another network.
      EXPECT(near.send(question(here, here.address)));
      EXPECT(two.expect_payload() == with_header(7, question(here, here.address)));
      const vxlan::Station elsewhere{here.address, here.mac, static_cast<uint16_t>(vlan + 1)};
      EXPECT(near.send(question(elsewhere, there.address)));
      EXPECT(two.expect_payload() == with_header(7, question(elsewhere, there.address)));
      // What is behind no remote any more is asked for.
      uint32_t flushed = 0;
      EXPECT(site.fixture.sw.flush_macs(site.fixture.bridge, kNoPort, flushed).ok());
      EXPECT(near.send(question(here, there.address)));
      EXPECT(two.expect_payload() == with_header(7, question(here, there.address)));
    }
  }
}

TEST(
    "vxlan: over a port, questions are answered from what was heard as well; without the option "
    "none") {
  for (const bool suppress : {true, false}) {
    VxlanOptions options = over(kNoPort, true);
    options.answers.suppress = suppress;
    Crossing crossing(options);
    Station& near = *crossing.near;
    const vxlan::Station here{ip("10.0.0.1"), mac(1), 0};
    const vxlan::Station there{ip("10.0.0.2"), mac(9), 0};
    EXPECT(near.send(question(here, there.address)));
    crossing.far->answer_question();
    EXPECT_SOON(crossing.fixture.sw.tunnels()[0].remotes[0].reachable);
    crossing.far->send(question(there, here.address));  // tells where the asker is
    EXPECT(near.expect_frame() == question(there, here.address));
    EXPECT(near.send(question(here, there.address)));
    if (suppress) {
      const auto told = read(near.expect_frame());
      EXPECT(told && told->kind == kAnswer && told->sender.mac == there.mac);
    } else {
      EXPECT(read(crossing.far->expect_inner())->kind == kQuestion);
      EXPECT(!near.receive().has_value());
    }
    EXPECT_SOON(crossing.imbalance() == 0);
  }
}

TEST("neighbours: what was heard last stays, and nobody makes the table grow") {
  NeighborTable table;
  const auto address = [](uint32_t n) {
    const uint32_t bits = __builtin_bswap32(0x0a00'0000 + n);
    return IpAddress::ipv4(&bits);
  };
  EXPECT(!table.find(address(1), 0));
  table.put(address(1), 0, {mac(1), false, 5});
  table.put(address(1), 7, {mac(2), true, 6});
  EXPECT(table.find(address(1), 0)->mac == mac(1));
  EXPECT(table.find(address(1), 7)->mac == mac(2));
  EXPECT(table.find(address(1), 7)->router);
  EXPECT_EQ(table.find(address(1), 7)->seen, 6);
  table.put(address(1), 0, {mac(3), false, 9});
  EXPECT(table.find(address(1), 0)->mac == mac(3));
  for (uint32_t n = 2; n < 100'000; ++n) {
    table.put(address(n), 0, {mac(4), false, 10});
  }
  EXPECT(table.find(address(99'999), 0)->mac == mac(4));
  size_t held = 0;
  for (uint32_t n = 2; n < 100'000; ++n) {
    held += table.find(address(n), 0) ? 1 : 0;
  }
  EXPECT(held > 4000 && held <= 8192);
}
