// Peers that dawdle, die half-way, come back at once, or never let a doorbell ring.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

TEST("a liar has to wait before it may come again") {
  Fixture fixture;
  fixture.add_port("liar");
  for (int round = 0; round < 2; ++round) {
    EXPECT_SOON(([&] {
      Station liar(fixture.socket("liar"));
      if (!liar.attached()) {
        EXPECT_CONTAINS(liar.refusal(), "paused");
        return false;
      }
      publish(liar.link().tx[0], 5000);
      Station::ring_if_asked(liar.link().tx[0]);
      EXPECT_CONTAINS(liar.farewell(), "ring's size");
      return true;
    }()));
    EXPECT_CONTAINS(Station(fixture.socket("liar")).refusal(), "paused");
  }
}

TEST("who says nothing for five seconds is sent away, and keeps nobody else out") {
  Fixture fixture;
  fixture.add_port("a");
  memif::Channel silent(Station::dial(fixture.socket("a")));
  Station prompt(fixture.socket("a"));
  EXPECT_EQ(prompt.refusal(), "");
  memif::Record record;
  EXPECT_SOON(silent.receive(record) == memif::Channel::Receive::kRecord);
  EXPECT_EQ(record.message.type, memif::MessageType::kHello);
  EXPECT_SOON(silent.receive(record) == memif::Channel::Receive::kRecord);
  EXPECT_EQ(record.message.type, memif::MessageType::kDisconnect);
  EXPECT_CONTAINS(memif::take_text(record.message.disconnect.reason, memif::kReasonSize),
                  "took too long");
  EXPECT(prompt.send(frame(2, 1)));
}

TEST("a peer may die after each step of the handshake; the next one attaches") {
  Fixture fixture;
  const PortId a = fixture.add_port("a");
  for (int steps = 0; steps <= 5; ++steps) {
    const expect::Row row("after " + std::to_string(steps) + " answers");
    memif::Channel channel(Station::dial(fixture.socket("a")));
    memif::ClientHandshake handshake({});
    for (int step = 0; step < steps; ++step) {
      memif::Record record;
      EXPECT_SOON(channel.receive(record) == memif::Channel::Receive::kRecord);
      memif::Message answer{};
      int fd = -1;
      EXPECT(handshake.take(record, answer, fd) == memif::ClientHandshake::Step::kSend);
      EXPECT(channel.send(answer, fd));
    }
    channel = memif::Channel(UniqueFd());
    EXPECT_EQ(Station(fixture.socket("a")).refusal(), "");
  }
  EXPECT_EQ(errors(fixture, a), 0);
}

TEST("silent connections by the hundred keep an honest peer out for seconds at most") {
  Fixture fixture;
  fixture.add_port("a");
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(Station::dial(fixture.socket("a")));
  }
  EXPECT_SOON(Station(fixture.socket("a")).attached());
}

TEST("a doorbell that would block keeps no worker from its work") {
  Fixture fixture;
  for (const char* name : {"liar", "b", "c"}) {
    fixture.add_port(name);
  }
  Station liar(fixture.socket("liar"));
  Station b(fixture.socket("b"));
  Station c(fixture.socket("c"));
  const memif::Ring& ring = liar.link().rx[0];
  EXPECT_EQ(::fcntl(ring.doorbell, F_SETFL, O_RDWR), 0);
  const uint64_t most = UINT64_MAX - 1;
  EXPECT_EQ(::write(ring.doorbell, &most, sizeof most), sizeof most);
  memif::store_release(ring.flags, 0);  // wake me
  for (uint8_t i = 0; i < 10; ++i) {
    EXPECT(b.send(frame(0xff, 2, 64, i)));
    EXPECT(c.expect_frame() == frame(0xff, 2, 64, i));
    EXPECT(liar.expect_frame() == frame(0xff, 2, 64, i));
  }
}

namespace {

// A TCP connection whose close() takes an hour: SO_LINGER, and bytes that nobody reads.
struct Lingering {
  Lingering() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener.get(), generic, length), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), generic, &length), 0);
    near.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(near.get(), generic, length), 0);
    far.reset(::accept(listener.get(), nullptr, nullptr));
    const linger hour{.l_onoff = 1, .l_linger = 3600};
    EXPECT_EQ(::setsockopt(near.get(), SOL_SOCKET, SO_LINGER, &hour, sizeof hour), 0);
    const std::vector<std::byte> bytes(1 << 20);
    while (::send(near.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }
  UniqueFd near;
  UniqueFd far;  // until it is closed, the last close of `near` waits
};

}  // namespace

TEST("descriptors that take an hour to close keep nobody waiting") {
  Fixture fixture;
  HonestPair honest(fixture);
  fixture.add_port("liar");
  std::vector<Lingering> lingering(3);  // one more, and the socket would hear nobody for as long
  std::vector<Channel> liars;
  // Visits hold the switch's lock: what is sent meanwhile is read when our own descriptors are closed already.
  EXPECT(fixture.sw
             .find_mac(fixture.bridge, mac(0xa1),
                       [&](const MacTable::Entry&, uint16_t) {
                         for (Lingering& one : lingering) {
                           Channel& liar =
                               liars.emplace_back(Station::dial(fixture.socket("liar")));
                           if (&one == &lingering.back()) {
                             liar.send(of(MessageType::kAck));  // ends it before the next is read
                           }
                           EXPECT(liar.send(init(42), one.near.get()));
                           one.near.reset();
                         }
                       })
             .ok());
  EXPECT_EQ(liars.size(), 3U);
  honest.check();
  static_cast<void>(fixture.sw.port_states());
  EXPECT_SOON(Station(fixture.socket("liar")).attached());
}
