// Attaching over the control socket.
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

TEST("an abstract socket serves as well, and is gone with its port") {
  Fixture fixture;
  const std::string name = "@memswitch-native-" + std::to_string(::getpid());
  const PortId a = fixture.add_port("", {.place = {.socket = name}});
  fixture.add_port("b");
  Station sa(name);
  EXPECT_EQ(sa.refusal(), "");
  Station sb(fixture.socket("b"));
  EXPECT(sa.send(frame(2, 1)));
  EXPECT(sb.expect_frame() == frame(2, 1));

  Fixture other;
  PortId taken = kNoPort;
  EXPECT_EQ(other.sw.add_port({.bridge = other.bridge, .place = {.socket = name}}, taken).code,
            Code::kInUse);
  EXPECT(fixture.sw.remove_port(a).ok());
  EXPECT_EQ(other.sw.add_port({.bridge = other.bridge, .place = {.socket = name}}, taken).message,
            "");
}
