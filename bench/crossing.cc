// The floor under every switch: memif rings and the best copy, and nothing between. Ports 0 and 1, 2 and 3, … are tied
// together; a frame goes from the ring of one into the buffers of the other, slot by slot. Looks nothing up, counts
// nothing and checks nothing, so it is no switch and must meet only the harness's own load.
//
//   crossing [--unmoved] SOCKET…
//
// --unmoved copies nothing either: frames are announced to the receiver but stay where they are, once each of its
// buffers has got one to show. What the load reaches then is the load's own ceiling.
//
// Measured: up to 64 bytes, reading the whole burst before the first write is about twice as fast as frame by frame
// (misses overlap, and no load waits behind a store to a line that the other core owns); longer frames: one straight
// copy each.
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "bench/peer.h"
#include "dataplane/copy.h"
#include "memif/attachment.h"
#include "memif/server_handshake.h"

using namespace memswitch;
using bench::die;

namespace {

constexpr uint16_t kSlots = kBurst;

UniqueFd listen_at(const std::string& socket) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const memif::Address address(socket);
  if (::bind(fd.get(), address.get(), address.length) != 0 || ::listen(fd.get(), 1) != 0) {
    die("crossing: listen " + socket + ": " + std::strerror(errno));
  }
  return fd;
}

// Waits for a client and shakes hands; the connection stays open for as long as the process lives.
memif::Link accept_at(const UniqueFd& listener) {
  const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  memif::Channel channel((UniqueFd(::dup(fd))));
  const memif::Interface interface {};
  memif::ServerHandshake handshake(
      [&](uint32_t, memif::Reason&) { return std::optional(interface); });
  channel.send(memif::ServerHandshake::hello("crossing", interface));
  for (;;) {
    memif::Record record;
    pollfd entry{fd, POLLIN, 0};
    ::poll(&entry, 1, -1);
    memif::Message answer{};
    if (channel.receive(record) != memif::Channel::Receive::kRecord) {
      die("crossing: a client left before it was attached");
    }
    const auto step = handshake.take(record, answer);
    if (step == memif::ServerHandshake::Step::kEnd) {
      die("crossing: a client broke the protocol");
    }
    if (step == memif::ServerHandshake::Step::kConnect) {
      memif::Link link = memif::server_link(std::move(handshake.attachment()));
      channel.send(answer);
      return link;
    }
    channel.send(answer);
  }
}

struct Side {
  memif::Link link;
  memif::Ring rx;
  memif::Ring tx;
  uint32_t filled = 0;  // slots of tx, at least

  explicit Side(memif::Link attached) : link(std::move(attached)), rx(link.rx[0]), tx(link.tx[0]) {
    memif::store_release(rx.flags, memif::kRingMaskInterrupt);
  }
  [[nodiscard]] std::byte* memory(const memif::Descriptor& d) const {
    return link.regions[d.region].base() + d.offset;
  }
};

template <uint32_t kWidth>
[[gnu::always_inline]] inline void cross(Side& from, Side& to, uint16_t slots) {
  std::array<memif::Descriptor, kSlots> source;
  alignas(kLine) std::array<std::array<std::byte, kLine>, kSlots> first;
  for (uint16_t i = 0; i < slots; ++i) {
    source[i] = memif::load_once(&from.rx.slots[(from.rx.position + i) & from.rx.mask]);
    copy_line<kWidth>(first[i].data(), from.memory(source[i]));
  }
  for (uint16_t i = 0; i < slots; ++i) {
    memif::Descriptor* slot = &to.tx.slots[(to.tx.position + i) & to.tx.mask];
    memif::Descriptor d = memif::load_once(slot);
    std::byte* place = to.memory(d);
    d.length = source[i].length;
    d.flags = source[i].flags;
    if (d.length > kLine) {
      copy_rest<kWidth>(place, from.memory(source[i]), d.length);
    }
    copy_line<kWidth>(place, first[i].data());
    memif::store(slot, d);
  }
}

void cross_by_16(Side& from, Side& to, uint16_t slots) {
  cross<16>(from, to, slots);
}
[[gnu::target("avx2")]] void cross_by_32(Side& from, Side& to, uint16_t slots) {
  cross<32>(from, to, slots);
}
[[gnu::target("avx512f")]] void cross_by_64(Side& from, Side& to, uint16_t slots) {
  cross<64>(from, to, slots);
}

const auto cross_widest = widest(cross_by_16, cross_by_32, cross_by_64);

void announce(Side& from, Side& to, uint16_t slots) {
  for (uint16_t i = 0; i < slots; ++i) {
    const auto d = memif::load_once(&from.rx.slots[(from.rx.position + i) & from.rx.mask]);
    memif::Descriptor* slot = &to.tx.slots[(to.tx.position + i) & to.tx.mask];
    memif::Descriptor offered = memif::load_once(slot);
    offered.length = d.length;
    offered.flags = d.flags;
    memif::store(slot, offered);
  }
}

void burst(Side& from, Side& to, bool unmoved) {
  const uint16_t slots = std::min({memif::available(from.rx), memif::available(to.tx), kSlots});
  if (slots == 0) {
    return;
  }
  if (unmoved && to.filled >= to.tx.size) {
    announce(from, to, slots);
  } else {
    cross_widest(from, to, slots);
    to.filled += unmoved ? slots : 0;
  }
  memif::publish(to.tx, slots);
  memif::publish(from.rx, slots);
}

}  // namespace

int main(int argc, char** argv) {
  const bool unmoved = argc > 1 && std::string(argv[1]) == "--unmoved";
  std::vector<UniqueFd> listeners;
  for (int i = unmoved ? 2 : 1; i < argc; ++i) {
    listeners.push_back(listen_at(argv[i]));
  }
  if (listeners.empty() || listeners.size() % 2 != 0) {
    die("crossing: needs an even number of sockets");
  }
  std::vector<Side> sides;
  for (const UniqueFd& listener : listeners) {
    sides.emplace_back(accept_at(listener));
  }
  for (;;) {
    for (size_t i = 0; i < sides.size(); ++i) {
      burst(sides[i], sides[i ^ 1], unmoved);
    }
  }
}
