// What a server says to the client's half of the handshake. Input: the client's options, then records one after the
// other, each a type and a body of as many bytes as it says.
#include "memif/client_handshake.h"

#include "test/fuzz/files.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

namespace {

using namespace memswitch;
using namespace memswitch::memif;

ClientOptions take_options(Input& input) {
  ClientOptions options;
  options.queues = input.take<uint8_t>() % 4;
  options.log2_ring_size = input.take<uint8_t>() % 8;
  options.buffer_size = input.take<uint16_t>();
  options.cache_line = options.queues % 2 == 0 ? kCacheLine : kWideCacheLine;
  return options;
}

Record next_record(Input& input) {
  Record record;
  record.message.type = static_cast<MessageType>(input.take<uint8_t>() % 10);
  const auto length = std::min<size_t>(input.take<uint8_t>(), sizeof record.message.body);
  input.take(record.message.body, length);
  return record;
}

void hold_rings(Link& link) {
  hold(link.tx.size() == link.rx.size(), "as many rings each way");
  const RegionView view{link.regions[0].base(), link.regions[0].size()};
  for (Ring& ring : link.rx) {
    for (uint16_t slot = 0; slot < ring.size; ++slot) {
      const Descriptor lent = load_once(&ring.slots[slot]);
      hold(check(lent, {&view, 1}) == Fault::kNone, "every buffer is inside the region");
    }
    hold(available(ring) == 0, "nothing has arrived yet");
  }
  for (const Ring& ring : link.tx) {
    hold(available(ring) == ring.size, "every transmit slot is free");
  }
}

}  // namespace

void client_handshake(Bytes bytes) {
  const int free_fd = lowest_free_fd();
  {
    Input input(bytes);
    ClientHandshake handshake(take_options(input));
    auto step = ClientHandshake::Step::kSend;
    while (!input.empty() && step == ClientHandshake::Step::kSend) {
      Message answer{};
      int fd = -1;
      step = handshake.take(next_record(input), answer, fd);
    }
    if (step == ClientHandshake::Step::kConnected) {
      hold_rings(handshake.link());
    }
    hold(step != ClientHandshake::Step::kEnd || !handshake.reason().empty(), "an end has a reason");
  }
  hold(lowest_free_fd() == free_fd, "no descriptor leaks");
}

}  // namespace fuzz
