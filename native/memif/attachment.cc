#include "memif/attachment.h"

#include <unistd.h>

#include <string_view>

namespace memswitch::memif {

namespace {

Ring server_ring(const Attachment& attachment, const RingPlace& place) {
  const RingMemory memory =
      ring_at(attachment.regions[place.region].base() + place.offset, attachment.cache_line);
  Ring ring{};
  ring.slots = memory.slots;
  ring.peer_index = &memory.header->head;
  ring.own_index = memory.tail;
  ring.flags = &memory.header->flags;
  ring.size = static_cast<uint16_t>(1U << place.log2_size);
  ring.mask = static_cast<uint16_t>(ring.size - 1);
  ring.position = load_acquire(ring.own_index);
  ring.doorbell = place.doorbell.get();
  return ring;
}

}  // namespace

Link server_link(Attachment attachment) {
  Link link;
  for (auto [places, rings] :
       {std::pair{&attachment.from_client, &link.rx}, std::pair{&attachment.to_client, &link.tx}}) {
    for (RingPlace& place : *places) {
      rings->push_back(server_ring(attachment, place));
      link.doorbells.push_back(std::move(place.doorbell));
    }
  }
  link.peer = std::move(attachment.peer);
  link.regions = std::move(attachment.regions);
  return link;
}

bool is_eventfd(const UniqueFd& fd) {
  char target[64];
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length > 0 &&
         std::string_view(target, static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

}  // namespace memswitch::memif
