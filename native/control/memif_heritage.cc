// How sockets and connections of memif go from one process to another: control/handover.h.
#include <fcntl.h>

#include <algorithm>

#include "control/memif_server.h"

namespace memswitch {

namespace {

// With descriptors of its own: the link has the doorbells until it goes.
void complete(std::vector<memif::Record>& said, const memif::Link& link) {
  for (memif::Record& record : said) {
    if (record.message.type == memif::MessageType::kAddRing) {
      const memif::AddRing& ring = record.message.add_ring;
      const size_t before = (ring.flags & memif::kRingFromClient) != 0 ? 0 : link.rx.size();
      const int doorbell = link.doorbells[before + ring.index].get();
      record.fds[0].reset(::fcntl(doorbell, F_DUPFD_CLOEXEC, 0));
    }
  }
}

}  // namespace

std::vector<HandedListener> MemifServer::give_away(
    const std::function<const memif::Link&(PortId)>& link_of) {
  std::vector<HandedListener> given;
  for (auto& [key, listener] : listeners_) {
    HandedListener& one = given.emplace_back(HandedListener{.address = listener->address,
                                                            .netns = listener->netns,
                                                            .file = listener->file,
                                                            .device = listener->device,
                                                            .inode = listener->inode});
    reactor_.unwatch(listener->socket.get());
    one.socket = std::move(listener->socket);
    for (Connection& connection : listener->connections) {
      reactor_.unwatch(connection.channel.fd());
      if (connection.attached == kNoPort) {
        // It has not been promised anything, and comes again.
        listener->disposal.take(std::move(connection.channel));
        continue;
      }
      complete(connection.said, link_of(connection.attached));
      one.connections.push_back({connection.channel.take_socket(), std::move(connection.said)});
      owner_.detached(connection.attached, "handed over to another process");
    }
  }
  listeners_.clear();
  return given;
}

// The socket of that name, if it was made as this one is to be; else it goes, and makes room.
bool MemifServer::take_up(Listener& listener) {
  const auto found = std::ranges::find_if(heritage_, [&listener](const HandedListener& one) {
    return one.address == listener.address && one.netns == listener.netns;
  });
  if (found == heritage_.end()) {
    return false;
  }
  HandedListener one = std::move(*found);
  heritage_.erase(found);
  if (one.file != listener.file || !one.socket) {
    return false;
  }
  listener.socket = std::move(one.socket);
  listener.device = one.device;
  listener.inode = one.inode;
  listener.handed = std::move(one.connections);
  return true;
}

void MemifServer::adopt() {
  for (auto& [key, listener] : listeners_) {
    if (!listener->handed) {
      continue;
    }
    for (HandedConnection& handed : *listener->handed) {
      adopt(*listener, handed);
    }
    listener->handed.reset();
    // Not before: a newcomer must not take the place of a peer that is there.
    hear_newcomers(*listener);
  }
  for (HandedListener& gone : heritage_) {
    for (HandedConnection& handed : gone.connections) {
      memif::Channel(std::move(handed.socket)).send_disconnect("the port was removed");
    }
    unlink_socket(gone.address, gone.device, gone.inode);
  }
  heritage_.clear();
}

// All that the peer said, heard again; it has had its answers.
void MemifServer::adopt(Listener& listener, HandedConnection& handed) {
  Connection& connection = begin(listener, std::move(handed.socket));
  for (memif::Record& record : handed.said) {
    memif::Message answer{};
    if (!hear(listener, connection, record, answer)) {
      return;
    }
  }
}

}  // namespace memswitch
