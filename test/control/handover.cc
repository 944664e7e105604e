// One switch takes the place of another, as two processes do it: the peers do not notice, and no frame is lost.
#include "control/handover.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <thread>

#include "test/memif/hostile/kit.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// What `from` hands over to whoever waits; it is closed.
Handover handed_over(Fixture& from, const std::string& note = "") {
  const std::string socket = from.socket("handover");
  UniqueFd listener;
  EXPECT_EQ(await_handover(socket, listener).message, "");
  Handover handover;
  Status received;
  std::jthread heir([&] { received = receive_handover(listener, handover); });
  EXPECT_EQ(from.sw.hand_over(socket, note).message, "");
  from.sw.close();
  heir.join();
  EXPECT_EQ(received.message, "");
  ::unlink(socket.c_str());
  return handover;
}

PortOptions at(const std::string& socket, uint32_t id = 0, uint16_t queues = 1) {
  return {.place = {.socket = socket, .id = id}, .interface = {.queues = queues}};
}

}  // namespace

TEST("a switch that takes over goes on with every peer, and with what lies in their rings") {
  std::optional<Fixture> old(std::in_place);
  Fixture next;
  const std::string folder = old->folder;
  const std::string in = old->socket("in");
  const std::string out = old->socket("out");
  old->add_port("in", at(in));
  old->add_port("out", at(out, 7));
  Station left(in);
  Station right(out, {.id = 7, .name = "right"});
  EXPECT(left.send(frame(2, 1)));
  right.expect_frame();
  old->sw.stop();
  // Accepted into the ring, and nobody takes them.
  for (uint8_t i = 0; i < 100; ++i) {
    EXPECT(left.send(frame(2, 1, 64, i)));
  }
  Handover handover = handed_over(*old, "a note");
  EXPECT_EQ(handover.note, "a note");
  old.reset();  // says goodbye to nobody, and leaves the sockets

  next.sw.inherit(std::move(handover));
  const PortId first = next.add_port("in", at(in));
  const PortId second = next.add_port("out", at(out, 7));
  // Who comes meanwhile is not heard: it would take the place of a peer that is there.
  const UniqueFd newcomer = Station::dial(in);
  pollfd hello{newcomer.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&hello, 1, 200), 0);
  EXPECT_EQ(next.sw.adopt(), 2);
  EXPECT_EQ(::poll(&hello, 1, 10'000), 1);
  EXPECT_EQ(next.state(second).peer, "right");
  for (uint8_t i = 0; i < 100; ++i) {
    EXPECT(right.expect_frame() == frame(2, 1, 64, i));
  }
  EXPECT_EQ(next.count(first, &PortCounters::rx_frames), 100);
  EXPECT_EQ(next.count(second, &PortCounters::tx_frames), 100);
  EXPECT_EQ(next.imbalance(), 0);
  EXPECT(right.send(frame(1, 2)));
  left.expect_frame();
  // The sockets are its own: others may come to them, and they go with their ports.
  const Station another(in, {.name = "another"});
  EXPECT_CONTAINS(another.refusal(), "is in use by another peer");
  for (const PortId port : {first, second}) {
    EXPECT(next.sw.remove_port(port).ok());
  }
  EXPECT(::access(in.c_str(), F_OK) != 0);
  EXPECT(::access(out.c_str(), F_OK) != 0);
  EXPECT_CONTAINS(left.farewell(), "removed");
  ::rmdir(folder.c_str());
}

TEST("what the new switch is not to serve as the old one did is told to the peer, or made anew") {
  std::optional<Fixture> old(std::in_place);
  Fixture next;
  const std::string folder = old->folder;
  std::map<std::string, std::string> sockets;
  std::map<std::string, Station> stations;
  for (const char* name : {"gone", "secret", "mode", "queues", "same"}) {
    sockets[name] = old->socket(name);
    old->add_port(name, at(sockets[name], 0, 2));
    stations.try_emplace(name, sockets[name], memif::ClientOptions{.queues = 2});
  }
  Handover handover = handed_over(*old);
  old.reset();
  next.sw.inherit(std::move(handover));
  PortOptions secret = at(sockets["secret"], 0, 2);
  secret.interface.secret = "other";
  next.add_port("secret", secret);
  PortOptions mode = at(sockets["mode"], 0, 2);
  mode.place.file.mode = 0600;
  next.add_port("mode", mode);
  next.add_port("queues", at(sockets["queues"]));
  const PortId same = next.add_port("same", at(sockets["same"], 0, 2));
  EXPECT_EQ(next.sw.adopt(), 1);
  EXPECT(next.state(same).link);
  EXPECT_EQ(next.state(same).queues, 2);
  EXPECT_EQ(stations.at("gone").farewell(), "the port was removed");
  EXPECT_EQ(stations.at("secret").farewell(), "wrong secret");
  EXPECT_EQ(stations.at("mode").farewell(), "");
  EXPECT_CONTAINS(stations.at("queues").farewell(), "more than 1 queues");
  EXPECT(::access(sockets["gone"].c_str(), F_OK) != 0);
  const Station anew(sockets["mode"]);
  EXPECT_EQ(anew.refusal(), "");
  next.sw.close();
  ::rmdir(folder.c_str());
}

TEST("a handover that is not one is refused, and nothing is given to nobody") {
  Fixture fixture;
  fixture.add_port("in");
  Station station(fixture.socket("in"));
  EXPECT_CONTAINS(fixture.sw.hand_over(fixture.socket("nobody"), "").message, "No such file");
  EXPECT(station.send(frame(9, 1)));  // it still works
  EXPECT_SOON(memif::available(station.link().tx[0]) == station.link().tx[0].size);

  const std::string socket = fixture.socket("handover");
  for (const std::string& words : {std::string("nonsense"), std::string(700, 'x')}) {
    UniqueFd listener;
    EXPECT_EQ(await_handover(socket, listener).message, "");
    const UniqueFd liar = Station::dial(socket);
    EXPECT(::send(liar.get(), words.data(), words.size(), 0) > 0);
    Handover handover;
    EXPECT_CONTAINS(receive_handover(listener, handover).message, "another version");
    ::unlink(socket.c_str());
  }
}

namespace {

// What an heir says first.
std::vector<char> hello(const std::string& socket) {
  UniqueFd listener;
  EXPECT_EQ(await_handover(socket, listener).message, "");
  Handover handover;
  std::vector<char> words(4096);
  std::jthread heir(
      [&] { EXPECT_CONTAINS(receive_handover(listener, handover).message, "ended early"); });
  {
    const UniqueFd caller = Station::dial(socket);
    pollfd entry{caller.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    const ssize_t size = ::recv(caller.get(), words.data(), words.size(), 0);
    EXPECT(size > 0);
    words.resize(static_cast<size_t>(size));
  }
  heir.join();
  ::unlink(socket.c_str());
  return words;
}

}  // namespace

TEST("a switch whose heir fails half-way, or is of another version, goes on with every peer") {
  Fixture fixture;
  fixture.add_port("in");
  fixture.add_port("out");
  Station left(fixture.socket("in"));
  Station right(fixture.socket("out"));
  const auto check = [&](uint8_t seed) {
    EXPECT(left.send(frame(2, 1, 64, seed)));
    EXPECT(right.expect_frame() == frame(2, 1, 64, seed));
    EXPECT(right.send(frame(1, 2, 900, seed)));
    EXPECT(left.expect_frame() == frame(1, 2, 900, seed));
  };
  check(0);
  const std::string socket = fixture.socket("handover");
  const std::vector<char> right_words = hello(socket);
  std::vector<char> wrong_words = right_words;
  wrong_words[0] ^= 1;
  uint8_t seed = 1;
  // Records that the heir takes before it dies; -1: all of them.
  for (const auto& [words, records] : {std::pair{wrong_words, 0}, std::pair{right_words, 0},
                                       std::pair{right_words, 3}, std::pair{right_words, -1}}) {
    const expect::Row row(std::to_string(records) + " records");
    UniqueFd listener;
    EXPECT_EQ(await_handover(socket, listener).message, "");
    Status status;
    std::jthread giver([&] { status = fixture.sw.hand_over(socket, "a note"); });
    {
      pollfd entry{listener.get(), POLLIN, 0};
      EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
      const UniqueFd heir(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      EXPECT(::send(heir.get(), words.data(), words.size(), 0) > 0);
      const timeval soon{.tv_sec = 1, .tv_usec = 0};
      ::setsockopt(heir.get(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
      char taken[4096];
      for (int i = 0; i != records && ::recv(heir.get(), taken, sizeof taken, 0) > 0; ++i) {
      }
    }
    giver.join();
    EXPECT(!status.ok());
    ::unlink(socket.c_str());
    check(seed++);
  }
  EXPECT_SOON(fixture.imbalance() == 0);
  // And is still there to be handed over.
  EXPECT_EQ(handed_over(fixture).listeners.size(), 2);
}

namespace {

// With empty rings at 0 and 4096.
UniqueFd region() {
  UniqueFd file = fuzz::memory_file(0, 0);
  EXPECT_EQ(::ftruncate(file.get(), 8192), 0);
  for (const off_t at : {0, 4096}) {
    EXPECT_EQ(::pwrite(file.get(), &memif::kCookie, sizeof memif::kCookie, at), 4);
  }
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  return file;
}

// With that many regions, of which rings and buffers need the first.
UniqueFd attach_with(const std::string& socket, uint16_t regions) {
  memif::Channel channel(Station::dial(socket));
  const auto hear = [&channel] {
    memif::Record record;
    pollfd entry{channel.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    EXPECT(channel.receive(record) == memif::Channel::Receive::kRecord);
    return record.message.type;
  };
  EXPECT_EQ(hear(), memif::MessageType::kHello);
  const auto say = [&](memif::Message message, const UniqueFd& fd, memif::MessageType answer) {
    EXPECT(channel.send(message, fd.get()));
    EXPECT_EQ(hear(), answer);
  };
  memif::Message message{};
  message.type = memif::MessageType::kInit;
  message.init.version = memif::kVersion;
  say(message, {}, memif::MessageType::kAck);
  for (uint16_t i = 0; i < regions; ++i) {
    message = {};
    message.type = memif::MessageType::kAddRegion;
    message.add_region = {.index = i, .size = 8192};
    say(message, region(), memif::MessageType::kAck);
  }
  for (const uint16_t from_client : {uint16_t{1}, uint16_t{0}}) {
    message = {};
    message.type = memif::MessageType::kAddRing;
    message.add_ring.flags = from_client;
    message.add_ring.offset = from_client * 4096U;
    message.add_ring.log2_ring_size = 5;
    say(message, UniqueFd(::eventfd(0, EFD_NONBLOCK)), memif::MessageType::kAck);
  }
  message = {};
  message.type = memif::MessageType::kConnect;
  say(message, {}, memif::MessageType::kConnected);
  return channel.take_socket();
}

bool has_ended(const UniqueFd& socket) {
  pollfd entry{socket.get(), 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLHUP) != 0;
}

}  // namespace

TEST("files of regions are kept for so many as peers need; who brings more is not handed over") {
  Fixture fixture;
  const PortId few_port = fixture.add_port("few");
  const PortId many_port = fixture.add_port("many");
  const size_t before = open_descriptors();
  const UniqueFd few = attach_with(fixture.socket("few"), 16);
  const UniqueFd many = attach_with(fixture.socket("many"), 256);
  EXPECT(fixture.state(few_port).link && fixture.state(many_port).link);
  // Two sockets and two eventfds of each here, as many there (our eventfds are closed), and the files of one.
  EXPECT(open_descriptors() - before <= 2 + 2 * 3 + 16);
  Handover handover = handed_over(fixture);
  EXPECT_EQ(handover.listeners.size(), 2);
  for (const HandedListener& listener : handover.listeners) {
    const bool is_few = listener.address == fixture.socket("few");
    EXPECT_EQ(listener.connections.size(), is_few ? 1 : 0);
    if (is_few) {
      EXPECT_EQ(listener.connections[0].said.size(), 1 + 16 + 2 + 1);
    }
  }
  EXPECT(has_ended(many) && !has_ended(few));
}

TEST("a peer that sleeps is woken for what came before it was handed over") {
  std::optional<Fixture> old(std::in_place);
  Fixture next;
  const std::string folder = old->folder;
  const std::string socket = old->socket("sleeper");
  old->add_port("sleeper", at(socket));
  Station sleeper(socket);
  const memif::Ring& ring = sleeper.link().rx[0];
  std::atomic_ref<uint16_t>(*ring.flags).store(0);
  Handover handover = handed_over(*old);
  old.reset();
  uint64_t rung = 0;
  while (::read(ring.doorbell, &rung, sizeof rung) > 0) {
  }
  next.sw.inherit(std::move(handover));
  next.add_port("sleeper", at(socket));
  pollfd entry{ring.doorbell, POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  EXPECT_EQ(next.sw.adopt(), 1);
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
  next.sw.close();
  ::rmdir(folder.c_str());
}

TEST("nothing is given to another user's process, whatever it says") {
  if (::geteuid() != 0) {
    SKIP("needs root, to be somebody else");
  }
  Fixture fixture;
  fixture.add_port("in");
  const std::string socket = fixture.socket("handover");
  EXPECT_EQ(::chmod(fixture.folder.c_str(), 0777), 0);
  const std::vector<char> words = hello(fixture.socket("own"));
  Status status;
  // The credentials of one thread alone: glibc's call would change those of all.
  std::jthread other([&] {
    EXPECT_EQ(::syscall(SYS_setresuid, -1, 65'534, -1), 0);
    UniqueFd listener;
    EXPECT_EQ(await_handover(socket, listener).message, "");
    pollfd entry{listener.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    const UniqueFd caller(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ::send(caller.get(), words.data(), words.size(), MSG_NOSIGNAL);
    char got = 0;
    EXPECT(::recv(caller.get(), &got, 1, 0) <= 0);
  });
  EXPECT_SOON(::access(socket.c_str(), F_OK) == 0);
  EXPECT_SOON((status = fixture.sw.hand_over(socket, "a note")).code == Code::kPermission);
  EXPECT_CONTAINS(status.message, "another user's");
  other.join();
  ::unlink(socket.c_str());
}

namespace {

// Sends numbered frames as fast as they arrive, until it is told to end; then all must have come, in their order.
class Flow {
 public:
  Flow(Station& from, Station& to)
      : sender_([&, this] { send(from); }), receiver_([&, this] { receive(to); }) {}

  [[nodiscard]] uint32_t received() const { return received_.load(); }
  [[nodiscard]] bool is_whole() const { return !failed_.load(); }
  // True: nothing was lost.
  bool end() {
    stop_.store(true);
    sender_.join();
    receiver_.join();
    return is_whole() && received_.load() == sent_.load();
  }

 private:
  static constexpr uint32_t kWindow = 500;

  void send(Station& from) {
    while (!stop_.load() && !failed_.load()) {
      const uint32_t number = sent_.load();
      Bytes bytes = frame(2, 1);
      std::memcpy(bytes.data() + 20, &number, sizeof number);
      if (number - received_.load() < kWindow && from.send(bytes)) {
        sent_.store(number + 1);
      } else {
        std::this_thread::yield();
      }
    }
    ended_.store(true);
  }

  void receive(Station& to) {
    for (uint32_t next = 0; !failed_.load(); received_.store(++next)) {
      std::optional<Bytes> bytes;
      const bool came = ::expect::within(::expect::kPatience, [&] {
        return (bytes = to.receive()).has_value() || (ended_.load() && next == sent_.load());
      });
      if (came && !bytes) {
        return;
      }
      uint32_t number = UINT32_MAX;
      if (bytes) {
        std::memcpy(&number, bytes->data() + 20, sizeof number);
      }
      failed_.store(number != next);
    }
  }

  std::atomic<uint32_t> sent_{0};
  std::atomic<uint32_t> received_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  std::atomic<bool> failed_{false};  // one did not come in its turn, or never
  std::jthread sender_;
  std::jthread receiver_;
};

// Finds somebody who says the right words and goes.
void fail_to_hand_over(Fixture& from, const std::vector<char>& words) {
  const std::string socket = from.socket("fails");
  UniqueFd listener;
  EXPECT_EQ(await_handover(socket, listener).message, "");
  std::jthread heir([&] {
    const UniqueFd caller(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ::send(caller.get(), words.data(), words.size(), MSG_NOSIGNAL);
  });
  EXPECT(!from.sw.hand_over(socket, "").ok());
  ::unlink(socket.c_str());
}

}  // namespace

TEST(
    "frames that are on their way when a switch is handed over arrive, all of them, also when it "
    "fails") {
  std::optional<Fixture> old(std::in_place, 2);
  Fixture next(2);
  const std::string folder = old->folder;
  const std::string in = old->socket("in");
  const std::string out = old->socket("out");
  old->add_port("in", at(in));
  old->add_port("out", at(out));
  Station left(in);
  Station right(out);
  EXPECT(right.send(frame(1, 2)));
  EXPECT(left.expect_frame() == frame(1, 2));
  const std::vector<char> words = hello(old->socket("hello"));
  Flow flow(left, right);
  for (int i = 0; i < 300 && flow.is_whole(); ++i) {
    fail_to_hand_over(*old, words);
  }
  const uint32_t before = flow.received();
  EXPECT(before > 0);
  Handover handover = handed_over(*old);
  EXPECT_EQ(old->drops(1, Drop::kLinkDown), 0);
  old.reset();
  next.sw.inherit(std::move(handover));
  next.add_port("in", at(in));
  const PortId port = next.add_port("out", at(out));
  EXPECT(next.sw.add_static_mac(next.bridge, mac_of_number(0x020000000002), port).ok());
  EXPECT_EQ(next.sw.adopt(), 2);
  EXPECT_SOON(flow.received() > before + 1000 || !flow.is_whole());
  EXPECT(flow.end());
  next.sw.close();
  ::rmdir(folder.c_str());
}
