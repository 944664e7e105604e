// A memif client as tests need it: attaches over a real socket, sends and receives whole frames, chained where they do
// not fit a buffer. It can also be steered by hand to break the rules: its rings and memory are open.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "memif/address.h"
#include "memif/client_handshake.h"
#include "test/native/expect.h"

namespace memswitch::test {

using Bytes = std::vector<uint8_t>;

class Station {
 public:
  explicit Station(const std::string& socket, memif::ClientOptions options = {})
      : channel_(dial(socket)), handshake_(std::move(options)) {
    refusal_ = shake_hands();
  }

  [[nodiscard]] bool attached() const { return refusal_.empty(); }
  // Why the server did not take us; empty when it did.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

  // False: no room in the ring.
  bool send(const Bytes& frame, size_t queue = 0) {
    memif::Ring& ring = link().tx[queue];
    const uint32_t buffer = ring.lent[0].length;
    const auto slots =
        static_cast<uint16_t>(std::max<size_t>((frame.size() + buffer - 1) / buffer, 1));
    if (memif::available(ring) < slots) {
      return false;
    }
    size_t done = 0;
    for (uint16_t s = 0; s < slots; ++s) {
      const auto slot = static_cast<uint16_t>(ring.position + s) & ring.mask;
      memif::Descriptor d = ring.lent[slot];
      d.length = static_cast<uint32_t>(std::min<size_t>(buffer, frame.size() - done));
      d.flags = s + 1 < slots ? memif::kDescriptorNext : uint16_t{0};
      std::copy_n(frame.begin() + static_cast<ptrdiff_t>(done), d.length,
                  reinterpret_cast<uint8_t*>(memory() + d.offset));
      done += d.length;
      memif::store(&ring.slots[slot], d);
    }
    memif::publish(ring, slots);
    ring_if_asked(ring);
    return true;
  }

  // A frame that has arrived, if any.
  std::optional<Bytes> receive(size_t queue = 0) {
    memif::Ring& ring = link().rx[queue];
    const uint16_t waiting = memif::available(ring);
    Bytes frame;
    for (uint16_t s = 0; s < waiting; ++s) {
      const memif::Descriptor d =
          memif::load_once(&ring.slots[static_cast<uint16_t>(ring.position + s) & ring.mask]);
      const auto* data = reinterpret_cast<const uint8_t*>(memory() + d.offset);
      frame.insert(frame.end(), data, data + d.length);
      if ((d.flags & memif::kDescriptorNext) == 0) {
        memif::release(ring, static_cast<uint16_t>(s + 1));
        return frame;
      }
    }
    return std::nullopt;
  }

  // The next frame, waited for.
  Bytes expect_frame() {
    std::optional<Bytes> frame;
    EXPECT_SOON((frame = receive()).has_value());
    return *frame;
  }

  // What the server says in DISCONNECT, waited for; '' if it only closes.
  std::string farewell() {
    memif::Record record;
    for (;;) {
      pollfd entry{channel_.fd(), POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0) {
        expect::fail(__FILE__, __LINE__, "the server says nothing and does not close");
      }
      if (channel_.receive(record) != memif::Channel::Receive::kRecord) {
        return "";
      }
      if (record.message.type == memif::MessageType::kDisconnect) {
        return memif::take_text(record.message.disconnect.reason, memif::kReasonSize);
      }
    }
  }

  static void ring_if_asked(const memif::Ring& ring) {
    if (memif::wants_doorbell(ring)) {
      memif::ring_doorbell(ring);
    }
  }

  memif::Link& link() { return handshake_.link(); }
  memif::Channel& channel() { return channel_; }
  std::byte* memory() { return link().regions[0].base(); }

  static UniqueFd dial(const std::string& socket) {
    UniqueFd fd = memif::new_socket();
    const memif::Address address(socket);
    EXPECT_SOON(::connect(fd.get(), address.get(), address.length) == 0);
    return fd;
  }

 private:
  std::string shake_hands() {
    memif::Record record;
    for (;;) {
      pollfd entry{channel_.fd(), POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0) {
        return "silence";
      }
      if (channel_.receive(record) != memif::Channel::Receive::kRecord) {
        return "closed";
      }
      memif::Message answer{};
      int fd = -1;
      switch (handshake_.take(record, answer, fd)) {
        case memif::ClientHandshake::Step::kSend:
          channel_.send(answer, fd);
          break;
        case memif::ClientHandshake::Step::kConnected:
          return "";
        case memif::ClientHandshake::Step::kEnd:
          return handshake_.reason().text;
      }
    }
  }

  memif::Channel channel_;
  memif::ClientHandshake handshake_;
  std::string refusal_;
};

}  // namespace memswitch::test
