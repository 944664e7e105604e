// What the malicious clients of this folder have in common. Each stands beside an honest pair that must lose nothing: a
// lie costs the liar its link, with the reason in DISCONNECT, and nobody else anything.
#pragma once

#include <dirent.h>
#include <sys/mman.h>

#include <numeric>

#include "test/fuzz/files.h"
#include "test/native/fixture.h"

namespace memswitch::test {

using namespace memswitch::memif;

inline size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) {
    ++count;
  }
  ::closedir(folder);
  return count;
}

// Two stations that send each other numbered frames and miss none.
class HonestPair {
 public:
  explicit HonestPair(Fixture& fixture)
      : left_port(fixture.add_port("left")),
        right_port(fixture.add_port("right")),
        left_(fixture.socket("left")),
        right_(fixture.socket("right")) {
    check();
  }

  void check() {
    for (uint8_t i = 0; i < 50; ++i) {
      EXPECT(left_.send(frame(0xa2, 0xa1, 64, i)));
      EXPECT(next(right_) == frame(0xa2, 0xa1, 64, i));
      EXPECT(right_.send(frame(0xa1, 0xa2, 700, i)));
      EXPECT(next(left_) == frame(0xa1, 0xa2, 700, i));
    }
  }

  const PortId left_port;
  const PortId right_port;

 private:
  // Frames of others that were flooded are passed over.
  static Bytes next(Station& station) {
    for (;;) {
      Bytes got = station.expect_frame();
      if (got.size() > 12 && (got[11] == 0xa1 || got[11] == 0xa2)) {
        return got;
      }
    }
  }

  Station left_;
  Station right_;
};

inline void put(Ring& ring, Descriptor d, uint16_t ahead = 1) {
  store(&ring.slots[ring.position & ring.mask], d);
  publish(ring, ahead);
}

// Speaks to a server record by record.
class Speaker {
 public:
  explicit Speaker(const std::string& socket) : channel(Station::dial(socket)) {
    EXPECT_EQ(hear(), MessageType::kHello);
  }

  MessageType hear() {
    Record record;
    pollfd entry{channel.fd(), POLLIN, 0};
    if (::poll(&entry, 1, 10'000) <= 0) {
      expect::fail(__FILE__, __LINE__, "no answer");
    }
    if (channel.receive(record) != Channel::Receive::kRecord) {
      return MessageType::kNone;
    }
    words = take_text(record.message.disconnect.reason, kReasonSize);
    return record.message.type;
  }

  MessageType say(const Message& message, int fd = -1) {
    channel.send(message, fd);
    return hear();
  }

  Channel channel;
  std::string words;
};

inline Message init(uint32_t id = 0) {
  Message m{};
  m.type = MessageType::kInit;
  m.init.version = kVersion;
  m.init.id = id;
  return m;
}

inline Message region(uint64_t size, uint16_t index = 0) {
  Message m{};
  m.type = MessageType::kAddRegion;
  m.add_region = {index, size};
  return m;
}

inline Message ring(AddRing add) {
  Message m{};
  m.type = MessageType::kAddRing;
  m.add_ring = add;
  return m;
}

inline Message of(MessageType type) {
  Message m{};
  m.type = type;
  return m;
}

// Size of the region that a Speaker announces.
constexpr off_t kSize = 1 << 20;

// How often peers of a port broke the rules in that way, and how often in any.
inline uint32_t errors(Fixture& fixture, PortId port, Fault fault) {
  return fixture.state(port).protocol_errors[static_cast<size_t>(fault)];
}

inline uint32_t errors(Fixture& fixture, PortId port) {
  const FaultCounts counts = fixture.state(port).protocol_errors;
  return std::reduce(counts.begin(), counts.end());
}

}  // namespace memswitch::test
