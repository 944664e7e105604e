// Memory that changes or vanishes under the switch.
#include <fcntl.h>

#include <atomic>

#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

TEST("memory that is cut short costs its port the link, not the process its life") {
  Fixture fixture;
  HonestPair honest(fixture);
  const PortId port = fixture.add_port(
      "liar", {.interface = {.memory = {.unsealed = true}}});  // takes what can shrink
  Speaker liar(fixture.socket("liar"));
  const UniqueFd file = fuzz::make_file(fuzz::FileKind::kUnsealed, kSize);
  auto* base = static_cast<std::byte*>(
      ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  for (const size_t at : {size_t{0}, size_t{4096}}) {
    reinterpret_cast<RingHeader*>(base + at)->cookie = kCookie;
  }
  const UniqueFd event = fuzz::make_file(fuzz::FileKind::kEvent, 0);
  EXPECT_EQ(liar.say(init()), MessageType::kAck);
  EXPECT_EQ(liar.say(region(kSize), file.get()), MessageType::kAck);
  EXPECT_EQ(liar.say(ring({1, 0, 0, 0, 5, 0}), event.get()), MessageType::kAck);
  EXPECT_EQ(liar.say(ring({0, 0, 0, 4096, 5, 0}), event.get()), MessageType::kAck);
  EXPECT_EQ(liar.say(of(MessageType::kConnect)), MessageType::kConnected);
  EXPECT_EQ(::ftruncate(file.get(), 0), 0);
  const uint64_t one = 1;
  EXPECT_EQ(::write(event.get(), &one, sizeof one), sizeof one);
  EXPECT_EQ(liar.hear(), MessageType::kDisconnect);
  EXPECT_SOON(!fixture.state(port).link);
  honest.check();
  ::munmap(base, kSize);
}

TEST("descriptors that change while they are read never reach outside the region") {
  Fixture fixture;
  HonestPair honest(fixture);
  const PortId port = fixture.add_port("liar");
  Station liar(fixture.socket("liar"));
  std::atomic<bool> stop{false};
  Ring& tx = liar.link().tx[0];
  std::thread flipper([&] {
    for (uint32_t i = 0; !stop; ++i) {
      Descriptor d = tx.lent[i & tx.mask];
      d.length = i % 3 == 0 ? UINT32_MAX : 64;
      store(&tx.slots[i & tx.mask], d);
      if (i % 64 == 0) {
        publish(tx, 1);
      }
    }
  });
  EXPECT_SOON(!fixture.state(port).link);
  stop = true;
  flipper.join();
  honest.check();
}
