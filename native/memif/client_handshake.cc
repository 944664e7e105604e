#include "memif/client_handshake.h"

#include <sys/eventfd.h>

#include <algorithm>

namespace memswitch::memif {

namespace {

Message message_of(MessageType type) {
  Message message{};
  message.type = type;
  return message;
}

}  // namespace

ClientHandshake::Step ClientHandshake::take(const Record& record, Message& answer, int& fd) {
  const Message& message = record.message;
  if (message.type == MessageType::kHello && !greeted_) {
    greeted_ = true;
    reason_ = prepare(message.hello);
    return reason_.empty() ? next(answer, fd) : Step::kEnd;
  }
  if (message.type == MessageType::kAck && !queue_.empty()) {
    return next(answer, fd);
  }
  if (message.type == MessageType::kConnected && greeted_ && queue_.empty() && !connected_) {
    link_.peer = take_text(message.connect.name, sizeof message.connect.name);
    lend_buffers();
    connected_ = true;
    return Step::kConnected;
  }
  if (message.type == MessageType::kDisconnect) {
    const Disconnect& d = message.disconnect;
    const std::string words = take_text(d.reason, sizeof d.reason);
    reason_ = {connected_ ? Fault::kNone : Fault::kRefused,
               words.empty() ? "the peer disconnected" : words};
  } else {
    reason_ = {
        Fault::kOrder,
        "message type " + std::to_string(static_cast<unsigned>(message.type)) + " out of order"};
  }
  return Step::kEnd;
}

// Only now: DPDK's and libmemif's servers write head = tail = 0 in all rings when they connect.
void ClientHandshake::lend_buffers() {
  for (Ring& ring : link_.rx) {
    for (uint16_t slot = 0; slot < ring.size; ++slot) {
      store(&ring.slots[slot], ring.lent[slot]);
    }
    publish(ring, 0);
  }
}

ClientHandshake::Step ClientHandshake::next(Message& answer, int& fd) {
  answer = queue_.front().message;
  fd = queue_.front().fd;
  queue_.pop_front();
  return Step::kSend;
}

Reason ClientHandshake::prepare(const Hello& hello) {
  if (hello.min_version > kVersion || hello.max_version < kVersion) {
    return {Fault::kRefused, "the server does not speak memif 2.0"};
  }
  const auto queues = static_cast<uint16_t>(
      std::min<uint32_t>(options_.queues, std::min(hello.max_s2m_ring, hello.max_m2s_ring) + 1U));
  options_.log2_ring_size = std::min(options_.log2_ring_size, hello.max_log2_ring_size);
  if (options_.log2_ring_size < 1 || options_.log2_ring_size > kMaxLog2RingSize) {
    return {Fault::kRefused, "the server takes no rings"};
  }
  introduce();
  if (Reason reason = make_memory(queues); !reason.empty()) {
    return reason;
  }
  Message connect = message_of(MessageType::kConnect);
  put_text(connect.connect.name, sizeof connect.connect.name, options_.name);
  queue_.push_back({connect, -1});
  return {};
}

void ClientHandshake::introduce() {
  Message init = message_of(MessageType::kInit);
  init.init.version = kVersion;
  init.init.id = options_.id;
  init.init.mode = options_.mode;
  put_text(init.init.secret, sizeof init.init.secret, options_.secret);
  put_text(init.init.name, sizeof init.init.name, options_.name);
  queue_.push_back({init, -1});
}

// All rings, those from the client first, then a buffer for each slot in the same order.
Reason ClientHandshake::make_memory(uint16_t queues) {
  const uint64_t slots = uint64_t{2} * queues << options_.log2_ring_size;
  const uint64_t rings =
      uint64_t{2} * queues * ring_bytes(options_.log2_ring_size, options_.cache_line);
  const uint64_t size = rings + slots * options_.buffer_size;
  if (size > UINT32_MAX) {
    return {Fault::kRegion, "rings and buffers of more than 4 GiB"};  // offsets are 32 bits
  }
  if (Reason reason = Region::create(size, file_, link_.regions.emplace_back()); !reason.empty()) {
    return reason;
  }
  Message region = message_of(MessageType::kAddRegion);
  region.add_region = {.index = 0, .size = size};
  queue_.push_back({region, file_.get()});

  link_.lent.reserve(slots);  // rings point into it
  uint32_t offset = 0;
  for (const bool from_client : {true, false}) {
    for (uint16_t i = 0; i < queues; ++i) {
      if (Reason reason = make_ring(from_client, i, offset); !reason.empty()) {
        return reason;
      }
    }
  }
  for (uint64_t slot = 0; slot < slots; ++slot, offset += options_.buffer_size) {
    link_.lent.push_back(
        {.flags = 0, .region = 0, .length = options_.buffer_size, .offset = offset, .metadata = 0});
  }
  return {};
}

Reason ClientHandshake::make_ring(bool from_client, uint16_t index, uint32_t& offset) {
  UniqueFd doorbell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!doorbell) {
    return {Fault::kRing, "no descriptor left for an eventfd"};
  }
  const RingMemory memory = ring_at(link_.regions[0].base() + offset, options_.cache_line);
  memory.header->cookie = kCookie;
  Ring ring{};
  ring.slots = memory.slots;
  ring.peer_index = memory.tail;
  ring.own_index = &memory.header->head;
  ring.flags = &memory.header->flags;
  ring.size = static_cast<uint16_t>(1U << options_.log2_ring_size);
  ring.mask = static_cast<uint16_t>(ring.size - 1);
  (from_client ? ring.peer_bias : ring.own_bias) = ring.size;
  ring.doorbell = doorbell.get();
  ring.lent = link_.lent.data() + (link_.tx.size() + link_.rx.size()) * ring.size;
  if (!from_client) {
    store_release(ring.flags, kRingMaskInterrupt);  // we poll, until we ask for the doorbell
  }
  (from_client ? link_.tx : link_.rx).push_back(ring);

  Message add = message_of(MessageType::kAddRing);
  add.add_ring = {.flags = from_client ? kRingFromClient : uint16_t{0},
                  .index = index,
                  .region = 0,
                  .offset = offset,
                  .log2_ring_size = options_.log2_ring_size,
                  .private_header_size = 0};
  queue_.push_back({add, doorbell.get()});
  link_.doorbells.push_back(std::move(doorbell));
  offset += static_cast<uint32_t>(ring_bytes(options_.log2_ring_size, options_.cache_line));
  return {};
}

}  // namespace memswitch::memif
