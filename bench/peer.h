// A memif client for load programs: attaches to a server and moves frames on its first queue. Built on the switch's
// own engine, so tests that must meet a stranger use DPDK's instead (test/interop).
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "memif/address.h"
#include "memif/channel.h"
#include "memif/client_handshake.h"

namespace memswitch::bench {

inline constexpr uint16_t kEtherType = 0x88b5;  // IEEE's, for local experiments

[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

class Peer {
 public:
  Peer(const std::string& socket, memif::ClientOptions options)
      : channel_(dial(socket)), handshake_(std::move(options)) {
    for (;;) {
      memif::Record record;
      pollfd entry{channel_.fd(), POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0 ||
          channel_.receive(record) != memif::Channel::Receive::kRecord) {
        die("memif: " + socket + ": the server closed the connection or said nothing for 10 s");
      }
      memif::Message answer{};
      int fd = -1;
      switch (handshake_.take(record, answer, fd)) {
        case memif::ClientHandshake::Step::kSend:
          channel_.send(answer, fd);
          break;
        case memif::ClientHandshake::Step::kConnected:
          return;
        case memif::ClientHandshake::Step::kEnd:
          die("memif: " + socket + ": " + handshake_.reason().text);
      }
    }
  }

  // Looks how many slots the peer has given back; claims are good until the next flush.
  void look() { room_ = memif::available(tx()); }

  // The place of the next frame's first bytes; null: no room. A frame that fits no buffer takes several, chained.
  std::byte* claim(uint32_t length) {
    if (claimed_ == room_) {
      return nullptr;
    }
    return length <= lent(tx(), claimed_).length ? fill(length, 0) : claim_chain(length);
  }

  // Sends what has been claimed.
  void flush() {
    if (claimed_ > 0) {
      memif::publish(tx(), claimed_);
      if (memif::wants_doorbell(tx())) {
        memif::ring_doorbell(tx());
      }
    }
    room_ = claimed_ = 0;
  }

  // Whether the peer has taken everything that was sent.
  bool taken() { return memif::available(tx()) == tx().size; }

  // Takes what has arrived on any queue; shows each frame's first bytes and its length (of the first buffer, when
  // chained). Returns the frames.
  template <typename Visit>
  uint32_t receive(Visit visit) {
    uint32_t frames = 0;
    for (memif::Ring& ring : handshake_.link().rx) {
      frames += receive(ring, visit);
    }
    return frames;
  }

  // Sleeps until a frame waits, or for `timeout_ms`.
  void wait(int timeout_ms) {
    std::atomic_ref<uint16_t>(*rx().flags).exchange(0);
    if (memif::available(rx()) == 0) {
      pollfd entry{rx().doorbell, POLLIN, 0};
      ::poll(&entry, 1, timeout_ms);
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t taken = ::read(rx().doorbell, &count, sizeof count);
    }
    memif::store_release(rx().flags, memif::kRingMaskInterrupt);
  }

  bool hung_up() { return channel_.hung_up(); }

 private:
  static UniqueFd dial(const std::string& socket) {
    UniqueFd fd = memif::new_socket();
    const memif::Address address(socket);
    for (int tries = 0; ::connect(fd.get(), address.get(), address.length) != 0; ++tries) {
      if (tries == 100) {
        die("memif: connect " + socket + ": " + std::strerror(errno));
      }
      ::usleep(50'000);
    }
    return fd;
  }

  memif::Ring& tx() { return handshake_.link().tx[0]; }
  memif::Ring& rx() { return handshake_.link().rx[0]; }
  static const memif::Descriptor& lent(const memif::Ring& ring, uint16_t n) {
    return ring.lent[static_cast<uint16_t>(ring.position + n) & ring.mask];
  }
  std::byte* memory(const memif::Descriptor& d) {
    return handshake_.link().regions[0].base() + d.offset;
  }

  std::byte* fill(uint32_t length, uint16_t flags) {
    memif::Ring& ring = tx();
    memif::Descriptor d = lent(ring, claimed_);
    std::byte* place = memory(d);
    d.length = length;
    d.flags = flags;
    memif::store(&ring.slots[static_cast<uint16_t>(ring.position + claimed_) & ring.mask], d);
    ++claimed_;
    return place;
  }

  [[gnu::noinline]] std::byte* claim_chain(uint32_t length) {
    const uint32_t buffer = tx().lent[0].length;
    if (claimed_ + (length + buffer - 1) / buffer > room_) {
      return nullptr;
    }
    std::byte* first = nullptr;
    while (length > 0) {
      const uint32_t part = std::min(length, buffer);
      length -= part;
      std::byte* place = fill(part, length > 0 ? memif::kDescriptorNext : uint16_t{0});
      first = first == nullptr ? place : first;
    }
    return first;
  }

  template <typename Visit>
  uint32_t receive(memif::Ring& ring, Visit visit) {
    const uint16_t waiting = memif::available(ring);
    uint32_t frames = 0;
    for (uint16_t i = 0; i < waiting; ++i) {
      const auto slot = static_cast<uint16_t>(ring.position + i) & ring.mask;
      const memif::Descriptor d = memif::load_once(&ring.slots[slot]);
      if (!inside_) {
        visit(static_cast<const std::byte*>(memory(ring.lent[slot])), d.length);
        ++frames;
      }
      inside_ = (d.flags & memif::kDescriptorNext) != 0;
    }
    if (waiting > 0) {
      memif::release(ring, waiting);
    }
    return frames;
  }

  memif::Channel channel_;
  memif::ClientHandshake handshake_;
  uint16_t room_ = 0;
  uint16_t claimed_ = 0;
  bool inside_ = false;  // of a chained frame
};

}  // namespace memswitch::bench
