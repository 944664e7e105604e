// Captures of a running switch: which frames they see, what they say of them, and that they take nothing away.
#include "control/captures.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// What an enhanced packet block says.
struct Captured {
  uint32_t interface;
  uint32_t length;
  Bytes data;
  uint32_t flags = 0;
  std::string comment{};
};

// A whole stream, read as the specification has it.
std::vector<Captured> packets(const std::vector<std::byte>& stream) {
  std::vector<Captured> found;
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    EXPECT(at + sizeof value <= stream.size());
    std::memcpy(&value, stream.data() + at, sizeof value);
    return value;
  };
  for (size_t at = 0; at < stream.size(); at += word(at + 4)) {
    EXPECT_EQ(word(at + word(at + 4) - 4), word(at + 4));
    if (word(at) != 6) {
      continue;
    }
    const uint32_t captured = word(at + 20);
    const auto* data = reinterpret_cast<const uint8_t*>(stream.data()) + at + 28;
    Captured packet{
        .interface = word(at + 8), .length = word(at + 24), .data = Bytes(data, data + captured)};
    size_t option = at + 28 + (captured + 3) / 4 * 4;
    while ((word(option) & 0xffff) != 0) {
      const uint32_t size = word(option) >> 16;
      if ((word(option) & 0xffff) == 2) {
        packet.flags = word(option + 4);
      } else if ((word(option) & 0xffff) == 1) {
        packet.comment =
            std::string(reinterpret_cast<const char*>(stream.data()) + option + 4, size);
      }
      option += 4 + (size + 3) / 4 * 4;
    }
    found.push_back(std::move(packet));
  }
  return found;
}

constexpr uint32_t kIn = 1;
constexpr uint32_t kOut = 2;

struct WatchedPair {
  explicit WatchedPair(size_t workers = 1) : fixture(workers) {
    for (const char* name : {"a", "b"}) {
      ports.push_back(fixture.add_port(name));
      stations.push_back(std::make_unique<Station>(fixture.socket(name)));
      EXPECT_EQ(stations.back()->refusal(), "");
    }
  }
  Station& operator[](size_t i) { return *stations[i]; }

  void start(CaptureOptions options = {}) {
    if (options.ports.empty()) {
      options.ports = {{.port = ports[0], .name = "a"}};
    }
    options.ring_bytes = options.ring_bytes == 0 ? 1 << 20 : options.ring_bytes;
    const Status status = fixture.sw.add_capture(options, id);
    EXPECT_EQ(status.message, "");
  }

  // So many packets, waited for.
  std::vector<Captured> captured(size_t count) {
    const std::shared_ptr<CaptureReader> reader = fixture.sw.capture(id);
    EXPECT_SOON((reader->read(stream, 1 << 24), packets(stream).size() >= count));
    return packets(stream);
  }

  void exchange() {
    EXPECT(stations[0]->send(frame(2, 1, 100)));
    EXPECT(stations[1]->expect_frame() == frame(2, 1, 100));
    EXPECT(stations[1]->send(frame(1, 2, 1500)));
    EXPECT(stations[0]->expect_frame() == frame(1, 2, 1500));
  }

  Fixture fixture;
  std::vector<PortId> ports;
  std::vector<std::unique_ptr<Station>> stations;
  uint32_t id = 0;
  std::vector<std::byte> stream;
};

}  // namespace

TEST("a capture sees what comes in and what leaves, whole and in order") {
  WatchedPair pair;
  pair.start();
  pair.exchange();
  const std::vector<Captured> seen = pair.captured(2);
  EXPECT_EQ(seen.size(), 2);
  EXPECT(seen[0].data == frame(2, 1, 100));
  EXPECT_EQ(seen[0].flags & 3, kIn);
  EXPECT(seen[1].data == frame(1, 2, 1500));
  EXPECT_EQ(seen[1].flags & 3, kOut);
  EXPECT_EQ(seen[1].comment, "");
}

TEST("direction, snap length, filter and count choose what is captured") {
  WatchedPair pair;
  CaptureOptions options;
  options.tx = false;
  options.snaplen = 20;
  options.filter = {
      {0x30, 0, 0, 90}, {0x15, 0, 1, 90}, {6, 0, 0, 1}, {6, 0, 0, 0}};  // byte 90 is 90
  options.count = 2;
  pair.start(options);
  EXPECT(pair[0].send(frame(2, 1, 100, 1)));
  EXPECT(pair[0].send(frame(2, 1, 100)));
  EXPECT(pair[0].send(frame(2, 1, 80)));
  EXPECT(pair[0].send(frame(2, 1, 91)));
  EXPECT(pair[0].send(frame(2, 1, 92)));
  for (int i = 0; i < 5; ++i) {
    pair[1].expect_frame();
  }
  const std::vector<Captured> seen = pair.captured(2);
  EXPECT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[0].length, 100);
  EXPECT_EQ(seen[0].data.size(), 20);
  EXPECT_EQ(seen[1].length, 91);
  std::vector<std::byte> more;
  EXPECT(!pair.fixture.sw.capture(pair.id)->read(more, 1 << 20));
  EXPECT(more.empty());
}

TEST("a dropped frame says why: on its way in, and on its way out") {
  WatchedPair pair;
  pair.start();
  pair.exchange();
  EXPECT(pair[0].send(frame(1, 0xff)));  // a source that nobody can have
  EXPECT(pair[0].send(frame(1, 1)));     // to itself
  const size_t ring = pair[0].link().rx[0].size;
  for (size_t sent = 0; sent < ring + 10;) {
    sent += pair[1].send(frame(1, 2)) ? 1 : 0;
  }
  const std::vector<Captured> seen = pair.captured(4 + ring + 10);
  EXPECT(seen[2].comment.starts_with("dropped: bad_source. "));
  EXPECT_EQ(seen[2].flags & 3, kIn);
  EXPECT(seen[3].comment.starts_with("dropped: same_port. "));
  size_t sent = 0;
  size_t full = 0;
  for (size_t i = 4; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].flags & 3, kOut);
    (seen[i].comment.empty() ? sent : full) += 1;
    EXPECT(seen[i].comment.empty() || seen[i].comment.starts_with("dropped: ring_full. "));
  }
  EXPECT_EQ(full, pair.fixture.drops(pair.ports[0], Drop::kRingFull));
  EXPECT(full > 0);
}

TEST("a capture of drops sees nothing else") {
  WatchedPair pair;
  CaptureOptions options;
  options.only_drops = true;
  pair.start(options);
  pair.exchange();
  pair[0].send(frame(1, 0xff));
  const size_t ring = pair[0].link().rx[0].size;
  for (size_t sent = 0; sent < ring + 10;) {
    sent += pair[1].send(frame(1, 2)) ? 1 : 0;
  }
  EXPECT_SOON(pair.fixture.count(pair.ports[1], &PortCounters::rx_frames) == ring + 11);
  const uint64_t full = pair.fixture.drops(pair.ports[0], Drop::kRingFull);
  const std::vector<Captured> seen = pair.captured(1 + full);
  EXPECT_EQ(seen.size(), 1 + full);
  for (const Captured& packet : seen) {
    EXPECT(packet.comment.starts_with("dropped: "));
  }
}

TEST("frames that a full ring has no room for are counted, and go on their way") {
  WatchedPair pair;
  CaptureOptions options;
  options.ring_bytes = 1 << 17;
  pair.start(options);
  constexpr uint64_t kFrames = 4000;
  for (uint64_t i = 0; i < kFrames; ++i) {
    EXPECT_SOON(pair[0].send(frame(2, 1, 64)));
    pair[1].expect_frame();
  }
  EXPECT_EQ(pair.fixture.count(pair.ports[1], &PortCounters::tx_frames), kFrames);
  CaptureStatus total;
  const std::vector<CaptureStatus> all = pair.fixture.sw.captures(total);
  const uint64_t lost = all.at(0).lost;
  EXPECT(lost > 0);
  EXPECT_EQ(pair.captured(kFrames - lost).size(), kFrames - lost);
  EXPECT_EQ(pair.fixture.imbalance(), 0);
}

TEST("a capture ends with its port; others and the switch go on") {
  WatchedPair pair;
  pair.start();
  pair.exchange();
  EXPECT(pair.fixture.sw.remove_port(pair.ports[0]).ok());
  const std::shared_ptr<CaptureReader> reader = pair.fixture.sw.capture(pair.id);
  std::vector<std::byte> stream;
  EXPECT_SOON(!reader->read(stream, 1 << 20));
  EXPECT_EQ(packets(stream).size(), 2);
  pair.fixture.sw.remove_capture(pair.id);
  EXPECT(pair.fixture.sw.capture(pair.id) == nullptr);
}

TEST("captures come and go in traffic, several at once, and no frame is lost by it") {
  WatchedPair pair(2);
  pair.exchange();
  for (int round = 0; round < 100; ++round) {
    CaptureOptions options;
    options.ports = {{.port = pair.ports[0], .name = "a"}, {.port = pair.ports[1], .name = "b"}};
    pair.start(options);
    const uint32_t first = pair.id;
    pair.start();
    pair.exchange();
    EXPECT_EQ(pair.captured(2).size(), 2);
    pair.fixture.sw.remove_capture(pair.id);
    pair.id = first;
    pair.stream.clear();
    EXPECT_EQ(pair.captured(4).size(), 4);
    pair.fixture.sw.remove_capture(first);
    pair.stream.clear();
  }
  CaptureStatus total;
  EXPECT_EQ(pair.fixture.sw.captures(total).size(), 0);
  EXPECT_EQ(total.frames, 600);
  EXPECT_EQ(total.lost, 0);
  EXPECT_EQ(pair.fixture.imbalance(), 0);
}
