// What another process hands over. Input: items, each a kind, what comes along, and its fields as far as they go.
#include "control/handover.h"

#include <sys/socket.h>

#include "test/fuzz/files.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

namespace {

UniqueFd along(uint8_t what) {
  switch (what % 4) {
    case 0:
      return {};
    case 1:
      return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    case 2:
      return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    default:
      return make_file(static_cast<FileKind>(what / 4 % kFileKinds), 4096);
  }
}

void take(Input& input, char* field, size_t size) {
  input.take(field, std::min<size_t>(input.take<uint8_t>(), size));
}

}  // namespace

void handover(Bytes bytes) {
  Input input(bytes);
  Handover handover;
  while (!input.empty()) {
    HandedItem item;
    item.kind = static_cast<HandedItem::Kind>(input.take<uint8_t>());
    UniqueFd fd = along(input.take<uint8_t>());
    item.size = input.take<uint16_t>();
    take(input, item.address, sizeof item.address);
    take(input, item.netns, sizeof item.netns);
    take(input, reinterpret_cast<char*>(&item.message), sizeof item.message);
    if (!take_handed(item, std::move(fd), handover).ok()) {
      break;
    }
  }
  for (const HandedListener& listener : handover.listeners) {
    hold(listener.socket && !listener.address.empty(), "a listener has a socket and a name");
    hold(listener.address.size() <= sizeof(HandedItem::address), "which is as long as its field");
    for (const HandedConnection& connection : listener.connections) {
      hold(static_cast<bool>(connection.socket), "a connection has a socket");
      for (const memif::Record& record : connection.said) {
        hold(record.fds.size() <= 1, "what was said came with one descriptor at most");
      }
    }
  }
}

}  // namespace fuzz
