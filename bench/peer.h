// A memif client for load programs: attaches to a server and moves frames on its first queue. Built on the switch's
// own engine, so tests that must meet a stranger use DPDK's instead (test/interop).
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "memif/address.h"
#include "memif/channel.h"
#include "memif/client_handshake.h"

namespace memswitch::bench {

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

  memif::Ring& tx() { return handshake_.link().tx[0]; }
  memif::Ring& rx() { return handshake_.link().rx[0]; }
  std::byte* base() { return handshake_.link().regions[0].base(); }
  std::byte* buffer(const memif::Ring& ring, uint16_t position) {
    return base() + ring.lent[position & ring.mask].offset;
  }

  // The n-th free transmit buffer; send() makes it a frame.
  std::byte* next_buffer(uint16_t n) {
    return buffer(tx(), static_cast<uint16_t>(tx().position + n));
  }
  void set_length(uint16_t n, uint32_t length) {
    memif::Ring& ring = tx();
    const auto slot = static_cast<uint16_t>(ring.position + n) & ring.mask;
    memif::Descriptor d = ring.lent[slot];
    d.length = length;
    memif::store(&ring.slots[slot], d);
  }
  void send(uint16_t frames) {
    memif::publish(tx(), frames);
    if (frames > 0 && memif::wants_doorbell(tx())) {
      memif::ring_doorbell(tx());
    }
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

  memif::Channel channel_;
  memif::ClientHandshake handshake_;
};

}  // namespace memswitch::bench
