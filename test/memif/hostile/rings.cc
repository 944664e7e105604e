// Lies in the rings: indexes, descriptors, chains, in both directions.
#include <functional>

#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

TEST("lies in the rings end the link, with the reason") {
  struct Lie {
    const char* what;
    Fault fault;
    std::function<void(Station&)> tell;
  };
  const Lie lies[] = {
      {"region 65535", Fault::kBadRegion,
       [](Station& s) {
         put(s.link().tx[0], {0, 65535, 64, 0, 0});
       }},
      {"the first region not announced", Fault::kBadRegion,
       [](Station& s) {
         put(s.link().tx[0], {0, 1, 64, 0, 0});
       }},
      {"offset beyond the region", Fault::kOutsideRegion,
       [](Station& s) {
         put(s.link().tx[0], {0, 0, 64, UINT32_MAX, 0});
       }},
      {"offset + length over 32 bits", Fault::kOutsideRegion,
       [](Station& s) {
         put(s.link().tx[0], {0, 0, 0xffffff00, 0x200, 0});
       }},
      {"length of 4 GiB", Fault::kOutsideRegion,
       [](Station& s) {
         put(s.link().tx[0], {0, 0, UINT32_MAX, 0, 0});
       }},
      {"head jumps", Fault::kIndexJump, [](Station& s) { publish(s.link().tx[0], 1025); }},
      {"head goes back", Fault::kIndexJump, [](Station& s) { publish(s.link().tx[0], 65535); }},
      {"a chain without an end", Fault::kEndlessChain,
       [](Station& s) {
         Ring& ring = s.link().tx[0];
         for (uint16_t i = 0; i < ring.size; ++i) {
           store(&ring.slots[i], {kDescriptorNext, 0, 64, ring.lent[i].offset, 0});
         }
         publish(ring, ring.size);
       }},
      {"a bad piece in a chain", Fault::kBadRegion,
       [](Station& s) {
         Ring& ring = s.link().tx[0];
         store(&ring.slots[1], {0, 77, 64, 0, 0});
         put(ring, {kDescriptorNext, 0, 64, ring.lent[0].offset, 0}, 2);
       }},
      {"a receive buffer in no region", Fault::kBadRegion,
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 9, 2048, 0, 0});
       }},
      {"a receive buffer outside", Fault::kOutsideRegion,
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 0, 2048, 0xfffffff0, 0});
       }},
      {"a receive buffer of 4 GiB", Fault::kOutsideRegion,
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 0, UINT32_MAX, 4096, 0});
       }},
      {"receive head jumps", Fault::kIndexJump, [](Station& s) { publish(s.link().rx[0], 2000); }},
  };
  Fixture fixture;
  HonestPair honest(fixture);
  for (const Lie& lie : lies) {
    const expect::Row row(lie.what);
    const PortId port = fixture.add_port("liar");
    const size_t descriptors = open_descriptors();
    {
      Station liar(fixture.socket("liar"));
      EXPECT_EQ(liar.refusal(), "");
      EXPECT(fixture.sw.add_static_mac(fixture.bridge, mac(0xbb), port).ok());
      lie.tell(liar);
      Station::ring_if_asked(liar.link().tx[0]);
      fixture.add_port("visitor");
      Station visitor(fixture.socket("visitor"));
      visitor.send(frame(0xbb, 0xcc));  // into the liar's receive ring
      EXPECT_CONTAINS(liar.farewell(), memif::words(lie.fault));
    }
    EXPECT_EQ(errors(fixture, port, lie.fault), 1);
    EXPECT_EQ(errors(fixture, port), 1);
    EXPECT_EQ(fixture.state(port).last_error, memif::words(lie.fault));
    honest.check();
    EXPECT(fixture.sw.remove_port(port).ok());
    for (const PortState& state : fixture.sw.port_states()) {
      if (state.id != honest.left_port && state.id != honest.right_port) {
        EXPECT(fixture.sw.remove_port(state.id).ok());
      }
    }
    EXPECT_SOON(open_descriptors() < descriptors);
  }
  for (const PortId port : {honest.left_port, honest.right_port}) {
    for (size_t reason = 0; reason < kDropReasons; ++reason) {
      EXPECT(fixture.drops(port, static_cast<Drop>(reason)) == 0);
    }
  }
}
