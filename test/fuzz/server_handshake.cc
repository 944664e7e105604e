// What a client says to the server's half of the handshake, and the descriptors it sends along. Input: records one after
// the other, each a type, the kinds of its descriptors, and a body of as many bytes as it says.
#include "memif/server_handshake.h"

#include <memory>

#include "dataplane/worker.h"
#include "memif/ring.h"
#include "test/fuzz/files.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

namespace {

using namespace memswitch;
using namespace memswitch::memif;

constexpr off_t kFileSize = 8192;
constexpr uint16_t kQueues = 3;
constexpr uint8_t kLog2RingSize = 6;

std::optional<Interface> find(uint32_t id, Reason& reason) {
  switch (id) {
    case 0:
      return Interface{"", kQueues, kLog2RingSize};
    case 1:
      return Interface{"secret", 1, kMaxLog2RingSize};
    case 2:
      return Interface{
          .secret = "", .queues = 1, .log2_ring_size = 4, .cache_line = kWideCacheLine};
    default:
      reason = {Fault::kRefused, "no such id"};
      return std::nullopt;
  }
}

Record any_record(Input& input) {
  Record record;
  record.message.type = static_cast<MessageType>(input.take<uint8_t>() % 10);
  const auto files = input.take<uint8_t>();
  const uint8_t count = files >> 6;
  for (uint8_t i = 0; i < count; ++i) {
    record.fds.push_back(make_file(static_cast<FileKind>((files + i) % kFileKinds), kFileSize));
  }
  const auto length = std::min<size_t>(input.take<uint8_t>(), sizeof record.message.body);
  input.take(record.message.body, length);
  return record;
}

void hold_place(const Attachment& attachment, const RingPlace& place) {
  hold(place.region < attachment.regions.size(), "a ring's region was announced");
  hold(place.log2_size >= 1 && place.log2_size <= kMaxLog2RingSize, "a ring's size is allowed");
  hold(place.offset + ring_bytes(place.log2_size, attachment.cache_line) <=
           attachment.regions[place.region].size(),
       "a ring is inside its region");
  hold(is_eventfd(place.doorbell), "a doorbell is an eventfd");
}

// An attachment that was accepted: its rings, in memory that the input fills.
void use(Attachment attachment, Input& input) {
  for (const auto* places : {&attachment.from_client, &attachment.to_client}) {
    for (const RingPlace& place : *places) {
      hold_place(attachment, place);
      std::byte* base = attachment.regions[place.region].base() + place.offset;
      input.take(base + 4, 4);  // flags and head
      input.take(base + size_t{2} * attachment.cache_line, sizeof(Descriptor) * 2);
    }
  }
  Link link = server_link(std::move(attachment));
  std::vector<RegionView> views;
  for (const Region& region : link.regions) {
    views.push_back({region.base(), region.size()});
  }
  const RegionTable table{views.data(), static_cast<uint32_t>(views.size())};
  auto burst = std::make_unique<Burst>();
  const uint8_t all[kBurst] = {};
  for (Ring& ring : link.rx) {
    receive(ring, table, *burst);
    snapshot(*burst);
    release(ring, burst->slots);
  }
  for (Ring& ring : link.tx) {
    transmit(ring, table, *burst, all, burst->count);
  }
}

}  // namespace

void server_handshake(Bytes bytes) {
  const int free_fd = lowest_free_fd();
  {
    Input input(bytes);
    ServerHandshake handshake(find);
    ServerHandshake::Step step = ServerHandshake::Step::kAnswer;
    while (!input.empty() && step == ServerHandshake::Step::kAnswer) {
      Record record = any_record(input);
      Message answer{};
      step = handshake.take(record, answer);
    }
    if (step == ServerHandshake::Step::kConnect) {
      use(std::move(handshake.attachment()), input);
      Record late = any_record(input);
      Message answer{};
      hold(handshake.take(late, answer) == ServerHandshake::Step::kEnd,
           "nothing but the end follows CONNECT");
    }
    hold(step != ServerHandshake::Step::kEnd || !handshake.reason().empty(), "an end has a reason");
  }
  hold(lowest_free_fd() == free_fd, "no descriptor leaks");
}

}  // namespace fuzz
