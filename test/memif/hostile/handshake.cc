// Lies in the handshake: order, versions, regions, rings, descriptors.
#include <fcntl.h>

#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

TEST("lies in the handshake end the connection, with the reason, and leak nothing") {
  const UniqueFd memory = fuzz::make_file(fuzz::FileKind::kSealed, kSize);
  UniqueFd blank(::memfd_create("blank", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT(::ftruncate(blank.get(), kSize) == 0 &&
         ::fcntl(blank.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  const UniqueFd unsealed = fuzz::make_file(fuzz::FileKind::kUnsealed, kSize);
  const UniqueFd event = fuzz::make_file(fuzz::FileKind::kEvent, 0);
  const UniqueFd pipe = fuzz::pipe_end();
  const UniqueFd device = fuzz::make_file(fuzz::FileKind::kDevice, 0);
  struct Step {
    Message message;
    int fd = -1;
  };
  struct Lie {
    const char* what;
    std::vector<Step> steps;  // all but the last are acknowledged
    Fault fault;              // counted at the port; kNone: the port is not known yet
    const char* reason;
  };
  Message version = init();
  version.init.version = 0x0100;
  Message mode = init();
  mode.init.mode = Mode::kIp;
  const Step hi{init()};
  const Step mem{region(kSize), memory.get()};
  const auto ring_step = [&](AddRing add) { return Step{ring(add), event.get()}; };
  const Lie lies[] = {
      {"nothing at all", {{of(MessageType::kNone)}}, Fault::kNone, "out of order"},
      {"an unknown message", {{of(static_cast<MessageType>(999))}}, Fault::kNone, "out of order"},
      {"a region before INIT", {mem}, Fault::kNone, "out of order"},
      {"a ring before INIT", {ring_step({1, 0, 0, 0, 5, 0})}, Fault::kNone, "out of order"},
      {"CONNECT before INIT", {{of(MessageType::kConnect)}}, Fault::kNone, "out of order"},
      {"a server's message", {{of(MessageType::kHello)}}, Fault::kNone, "out of order"},
      {"an ACK", {hi, {of(MessageType::kAck)}}, Fault::kOrder, "out of order"},
      {"CONNECT without rings",
       {hi, mem, {of(MessageType::kConnect)}},
       Fault::kOrder,
       "out of order"},
      {"INIT twice", {hi, hi}, Fault::kOrder, "out of order"},
      {"a region after a ring",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), {region(kSize, 1), memory.get()}},
       Fault::kOrder,
       "out of order"},
      {"version 1", {{version}}, Fault::kNone, "not 2.0"},
      {"mode ip", {{mode}}, Fault::kRefused, "ethernet"},
      {"an id nobody serves", {{init(42)}}, Fault::kNone, "no port has id 42"},
      {"INIT with a descriptor", {{init(), event.get()}}, Fault::kNone, "descriptors"},
      {"a region without one", {hi, {region(kSize)}}, Fault::kDescriptors, "descriptors"},
      {"a ring without one",
       {hi, mem, {ring({1, 0, 0, 0, 5, 0})}},
       Fault::kDescriptors,
       "descriptors"},
      {"region 1 first", {hi, {region(kSize, 1), memory.get()}}, Fault::kRegion, "out of order"},
      {"region 65535", {hi, {region(kSize, 65535), memory.get()}}, Fault::kRegion, "out of order"},
      {"a region larger than its file",
       {hi, {region(kSize + 1), memory.get()}},
       Fault::kRegion,
       "the file has"},
      {"an empty region", {hi, {region(0), memory.get()}}, Fault::kRegion, "announced 0"},
      {"a region of 2^64 bytes",
       {hi, {region(UINT64_MAX), memory.get()}},
       Fault::kRegion,
       "more than"},
      {"a file that can shrink",
       {hi, {region(kSize), unsealed.get()}},
       Fault::kRegion,
       "F_SEAL_SHRINK"},
      {"an eventfd as memory",
       {hi, {region(kSize), event.get()}},
       Fault::kRegion,
       "not a file in memory"},
      {"a pipe as memory",
       {hi, {region(kSize), pipe.get()}},
       Fault::kRegion,
       "not a file in memory"},
      {"a device as memory",
       {hi, {region(kSize), device.get()}},
       Fault::kRegion,
       "not a file in memory"},
      {"a ring in no region",
       {hi, mem, ring_step({1, 0, 1, 0, 5, 0})},
       Fault::kRing,
       "not announced"},
      {"a ring beyond its region",
       {hi, mem, ring_step({1, 0, 0, kSize - 64, 5, 0})},
       Fault::kRing,
       "inside its region"},
      {"a ring at 4 GiB",
       {hi, mem, ring_step({1, 0, 0, 0xfffffff0, 5, 0})},
       Fault::kRing,
       "inside its region"},
      {"a ring off its alignment",
       {hi, mem, ring_step({1, 0, 0, 8, 5, 0})},
       Fault::kRing,
       "aligned"},
      {"ring 1 first", {hi, mem, ring_step({1, 1, 0, 0, 5, 0})}, Fault::kRing, "out of order"},
      {"more rings than queues",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), ring_step({1, 1, 0, 4096, 5, 0})},
       Fault::kRing,
       "queues"},
      {"a ring of one slot", {hi, mem, ring_step({1, 0, 0, 0, 0, 0})}, Fault::kRing, "ring size"},
      {"a ring of 2^15", {hi, mem, ring_step({1, 0, 0, 0, 15, 0})}, Fault::kRing, "ring size"},
      {"a ring of 2^31", {hi, mem, ring_step({1, 0, 0, 0, 31, 0})}, Fault::kRing, "ring size"},
      {"a ring of 2^255", {hi, mem, ring_step({1, 0, 0, 0, 255, 0})}, Fault::kRing, "ring size"},
      {"a private header",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 16})},
       Fault::kRing,
       "private headers"},
      {"rings that overlap",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), ring_step({0, 0, 0, 128, 5, 0})},
       Fault::kRing,
       "overlap"},
      {"memory as a doorbell",
       {hi, mem, {ring({1, 0, 0, 0, 5, 0}), memory.get()}},
       Fault::kRing,
       "not an eventfd"},
      {"a pipe as a doorbell",
       {hi, mem, {ring({1, 0, 0, 0, 5, 0}), pipe.get()}},
       Fault::kRing,
       "not an eventfd"},
      {"a ring one way only",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), {of(MessageType::kConnect)}},
       Fault::kRing,
       "each direction"},
      {"no cookie",
       {hi,
        {region(kSize), blank.get()},
        ring_step({1, 0, 0, 0, 5, 0}),
        ring_step({0, 0, 0, 4096, 5, 0}),
        {of(MessageType::kConnect)}},
       Fault::kWrongCookie,
       "cookie"},
  };
  Fixture fixture;
  HonestPair honest(fixture);
  const size_t descriptors = open_descriptors();
  for (const Lie& lie : lies) {
    const expect::Row row(lie.what);
    const PortId port = fixture.add_port("liar");
    {
      Speaker liar(fixture.socket("liar"));
      for (size_t i = 0; i + 1 < lie.steps.size(); ++i) {
        EXPECT_EQ(liar.say(lie.steps[i].message, lie.steps[i].fd), MessageType::kAck);
      }
      EXPECT_EQ(liar.say(lie.steps.back().message, lie.steps.back().fd), MessageType::kDisconnect);
      EXPECT_CONTAINS(liar.words, lie.reason);
      EXPECT_EQ(liar.hear(), MessageType::kNone);  // and closes
    }
    const uint32_t counted = lie.fault == Fault::kNone ? 0 : 1;
    EXPECT_EQ(errors(fixture, port, lie.fault), counted);
    EXPECT_EQ(errors(fixture, port), counted);
    EXPECT(fixture.sw.remove_port(port).ok());
  }
  honest.check();
  EXPECT_SOON(open_descriptors() == descriptors);
}
