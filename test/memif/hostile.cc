// Peers that lie, each beside an honest pair that must lose nothing. A lie costs the liar its link, with the reason in
// DISCONNECT, and nobody else anything.
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <atomic>
#include <functional>

#include "test/fuzz/files.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::memif;
using namespace memswitch::test;

namespace {

size_t open_descriptors() {
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

void put(Ring& ring, Descriptor d, uint16_t ahead = 1) {
  store(&ring.slots[ring.position & ring.mask], d);
  publish(ring, ahead);
}

}  // namespace

TEST("lies in the rings end the link, with the reason") {
  struct Lie {
    const char* what;
    const char* reason;
    std::function<void(Station&)> tell;
  };
  const Lie lies[] = {
      {"region 65535", "region that was not announced",
       [](Station& s) {
         put(s.link().tx[0], {0, 65535, 64, 0, 0});
       }},
      {"the first region not announced", "region that was not announced",
       [](Station& s) {
         put(s.link().tx[0], {0, 1, 64, 0, 0});
       }},
      {"offset beyond the region", "outside its region",
       [](Station& s) {
         put(s.link().tx[0], {0, 0, 64, UINT32_MAX, 0});
       }},
      {"offset + length over 32 bits", "outside its region",
       [](Station& s) {
         put(s.link().tx[0], {0, 0, 0xffffff00, 0x200, 0});
       }},
      {"length of 4 GiB", "outside its region",
       [](Station& s) {
         put(s.link().tx[0], {0, 0, UINT32_MAX, 0, 0});
       }},
      {"head jumps", "more than the ring's size",
       [](Station& s) { publish(s.link().tx[0], 1025); }},
      {"head goes back", "more than the ring's size",
       [](Station& s) { publish(s.link().tx[0], 65535); }},
      {"a chain without an end", "never end",
       [](Station& s) {
         Ring& ring = s.link().tx[0];
         for (uint16_t i = 0; i < ring.size; ++i) {
           store(&ring.slots[i], {kDescriptorNext, 0, 64, ring.lent[i].offset, 0});
         }
         publish(ring, ring.size);
       }},
      {"a bad piece in a chain", "region that was not announced",
       [](Station& s) {
         Ring& ring = s.link().tx[0];
         store(&ring.slots[1], {0, 77, 64, 0, 0});
         put(ring, {kDescriptorNext, 0, 64, ring.lent[0].offset, 0}, 2);
       }},
      {"a receive buffer in no region", "region that was not announced",
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 9, 2048, 0, 0});
       }},
      {"a receive buffer outside", "outside its region",
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 0, 2048, 0xfffffff0, 0});
       }},
      {"a receive buffer of 4 GiB", "outside its region",
       [](Station& s) {
         store(&s.link().rx[0].slots[0], {0, 0, UINT32_MAX, 4096, 0});
       }},
      {"receive head jumps", "more than the ring's size",
       [](Station& s) { publish(s.link().rx[0], 2000); }},
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
      EXPECT_CONTAINS(liar.farewell(), lie.reason);
    }
    EXPECT_EQ(fixture.state(port).protocol_errors, 1);
    EXPECT_CONTAINS(fixture.state(port).last_error, lie.reason);
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

namespace {

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

Message init(uint32_t id = 0) {
  Message m{};
  m.type = MessageType::kInit;
  m.init.version = kVersion;
  m.init.id = id;
  return m;
}

Message region(uint64_t size, uint16_t index = 0) {
  Message m{};
  m.type = MessageType::kAddRegion;
  m.add_region = {index, size};
  return m;
}

Message ring(AddRing add) {
  Message m{};
  m.type = MessageType::kAddRing;
  m.add_ring = add;
  return m;
}

Message of(MessageType type) {
  Message m{};
  m.type = type;
  return m;
}

constexpr off_t kSize = 1 << 20;

}  // namespace

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
      {"nothing at all", {{of(MessageType::kNone)}}, "out of order"},
      {"an unknown message", {{of(static_cast<MessageType>(999))}}, "out of order"},
      {"a region before INIT", {mem}, "out of order"},
      {"a ring before INIT", {ring_step({1, 0, 0, 0, 5, 0})}, "out of order"},
      {"CONNECT before INIT", {{of(MessageType::kConnect)}}, "out of order"},
      {"a server's message", {{of(MessageType::kHello)}}, "out of order"},
      {"an ACK", {hi, {of(MessageType::kAck)}}, "out of order"},
      {"CONNECT without rings", {hi, mem, {of(MessageType::kConnect)}}, "out of order"},
      {"INIT twice", {hi, hi}, "out of order"},
      {"a region after a ring",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), {region(kSize, 1), memory.get()}},
       "out of order"},
      {"version 1", {{version}}, "not 2.0"},
      {"mode ip", {{mode}}, "ethernet"},
      {"an id nobody serves", {{init(42)}}, "no port has id 42"},
      {"INIT with a descriptor", {{init(), event.get()}}, "descriptors"},
      {"a region without one", {hi, {region(kSize)}}, "descriptors"},
      {"a ring without one", {hi, mem, {ring({1, 0, 0, 0, 5, 0})}}, "descriptors"},
      {"region 1 first", {hi, {region(kSize, 1), memory.get()}}, "out of order"},
      {"region 65535", {hi, {region(kSize, 65535), memory.get()}}, "out of order"},
      {"a region larger than its file", {hi, {region(kSize + 1), memory.get()}}, "the file has"},
      {"an empty region", {hi, {region(0), memory.get()}}, "announced 0"},
      {"a region of 2^64 bytes", {hi, {region(UINT64_MAX), memory.get()}}, "more than"},
      {"a file that can shrink", {hi, {region(kSize), unsealed.get()}}, "F_SEAL_SHRINK"},
      {"an eventfd as memory", {hi, {region(kSize), event.get()}}, "not a file in memory"},
      {"a pipe as memory", {hi, {region(kSize), pipe.get()}}, "not a file in memory"},
      {"a device as memory", {hi, {region(kSize), device.get()}}, "not a file in memory"},
      {"a ring in no region", {hi, mem, ring_step({1, 0, 1, 0, 5, 0})}, "not announced"},
      {"a ring beyond its region",
       {hi, mem, ring_step({1, 0, 0, kSize - 64, 5, 0})},
       "inside its region"},
      {"a ring at 4 GiB", {hi, mem, ring_step({1, 0, 0, 0xfffffff0, 5, 0})}, "inside its region"},
      {"a ring off its alignment", {hi, mem, ring_step({1, 0, 0, 8, 5, 0})}, "aligned"},
      {"ring 1 first", {hi, mem, ring_step({1, 1, 0, 0, 5, 0})}, "out of order"},
      {"more rings than queues",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), ring_step({1, 1, 0, 4096, 5, 0})},
       "queues"},
      {"a ring of one slot", {hi, mem, ring_step({1, 0, 0, 0, 0, 0})}, "ring size"},
      {"a ring of 2^15", {hi, mem, ring_step({1, 0, 0, 0, 15, 0})}, "ring size"},
      {"a ring of 2^31", {hi, mem, ring_step({1, 0, 0, 0, 31, 0})}, "ring size"},
      {"a ring of 2^255", {hi, mem, ring_step({1, 0, 0, 0, 255, 0})}, "ring size"},
      {"a private header", {hi, mem, ring_step({1, 0, 0, 0, 5, 16})}, "private headers"},
      {"rings that overlap",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), ring_step({0, 0, 0, 128, 5, 0})},
       "overlap"},
      {"memory as a doorbell",
       {hi, mem, {ring({1, 0, 0, 0, 5, 0}), memory.get()}},
       "not an eventfd"},
      {"a pipe as a doorbell", {hi, mem, {ring({1, 0, 0, 0, 5, 0}), pipe.get()}}, "not an eventfd"},
      {"a ring one way only",
       {hi, mem, ring_step({1, 0, 0, 0, 5, 0}), {of(MessageType::kConnect)}},
       "each direction"},
      {"no cookie",
       {hi,
        {region(kSize), blank.get()},
        ring_step({1, 0, 0, 0, 5, 0}),
        ring_step({0, 0, 0, 4096, 5, 0}),
        {of(MessageType::kConnect)}},
       "cookie"},
  };
  Fixture fixture;
  HonestPair honest(fixture);
  fixture.add_port("liar");
  const size_t descriptors = open_descriptors();
  for (const Lie& lie : lies) {
    const expect::Row row(lie.what);
    {
      Speaker liar(fixture.socket("liar"));
      for (size_t i = 0; i + 1 < lie.steps.size(); ++i) {
        EXPECT_EQ(liar.say(lie.steps[i].message, lie.steps[i].fd), MessageType::kAck);
      }
      EXPECT_EQ(liar.say(lie.steps.back().message, lie.steps.back().fd), MessageType::kDisconnect);
      EXPECT_CONTAINS(liar.words, lie.reason);
      EXPECT_EQ(liar.hear(), MessageType::kNone);  // and closes
    }
  }
  honest.check();
  EXPECT_SOON(open_descriptors() == descriptors);
  EXPECT_EQ(Station(fixture.socket("liar")).refusal(), "");  // an honest one is welcome
}

TEST("records that are none, and descriptors by the hundred, end the connection") {
  Fixture fixture;
  fixture.add_port("a");
  const size_t descriptors = open_descriptors();
  for (const size_t size : {size_t{1}, size_t{127}, size_t{129}, size_t{4096}}) {
    const expect::Row row(std::to_string(size) + " bytes");
    Speaker speaker(fixture.socket("a"));
    const std::vector<std::byte> bytes(size);
    EXPECT_EQ(::send(speaker.channel.fd(), bytes.data(), size, MSG_NOSIGNAL), size);
    EXPECT_EQ(speaker.hear(), MessageType::kDisconnect);
    EXPECT_CONTAINS(speaker.words, "128 bytes");
  }
  Speaker flood(fixture.socket("a"));
  Message message = init();
  iovec data{&message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(200 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(200 * sizeof(int));
  for (size_t i = 0; i < 200; ++i) {
    const int fd = STDERR_FILENO;
    std::memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
  }
  EXPECT_EQ(::sendmsg(flood.channel.fd(), &header, MSG_NOSIGNAL), sizeof message);
  EXPECT_EQ(flood.hear(), MessageType::kDisconnect);
  EXPECT_CONTAINS(flood.words, "200 descriptors");
  flood.channel = Channel(UniqueFd());
  EXPECT_SOON(open_descriptors() <= descriptors);
}

TEST("memory that is cut short costs its port the link, not the process its life") {
  Fixture fixture;
  HonestPair honest(fixture);
  const PortId port =
      fixture.add_port("liar", {.interface = {.trusted = true}});  // takes what can shrink
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
