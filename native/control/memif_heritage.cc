// How sockets and connections of memif go from one process to another: control/handover.h.
#include <algorithm>

#include "control/memif_server.h"

namespace memswitch {

namespace {

// What came with the message; the link has the doorbells.
int descriptor_of(const memif::Record& record, const memif::Link& link) {
  if (record.message.type == memif::MessageType::kAddRing) {
    const memif::AddRing& ring = record.message.add_ring;
    const size_t before = (ring.flags & memif::kRingFromClient) != 0 ? 0 : link.rx.size();
    return link.doorbells[before + ring.index].get();
  }
  return record.fds.empty() ? -1 : record.fds[0].get();
}

Status tell_peer(const UniqueFd& heir, int socket, const std::vector<memif::Record>& said,
                 const memif::Link& link) {
  Status status = tell_connection(heir, socket);
  for (const memif::Record& record : said) {
    if (status.ok()) {
      status = tell_said(heir, record.message, descriptor_of(record, link));
    }
  }
  return status;
}

}  // namespace

void MemifServer::remember(Connection& connection, memif::Record& record) {
  connection.files += record.message.type == memif::MessageType::kAddRegion ? 1 : 0;
  if (connection.files > kMaxFiles) {
    connection.said.clear();
    return;
  }
  connection.said.push_back({record.message, std::move(record.fds)});
}

// Of the peers those that are attached: others have not been promised anything, and come again.
Status MemifServer::bequeath(const UniqueFd& heir, const LinkOf& link_of) const {
  Status status;
  for (const auto& [key, listener] : listeners_) {
    if (status.ok()) {
      status = tell_listener(heir,
                             {.address = listener->address,
                              .netns = listener->netns,
                              .file = listener->file,
                              .device = listener->device,
                              .inode = listener->inode},
                             listener->socket.get());
    }
    for (const Connection& connection : listener->connections) {
      if (status.ok() && connection.attached != kNoPort && !connection.said.empty()) {
        status =
            tell_peer(heir, connection.channel.fd(), connection.said, link_of(connection.attached));
      }
    }
  }
  return status;
}

void MemifServer::surrender() {
  for (auto& [key, listener] : listeners_) {
    reactor_.unwatch(listener->socket.get());
    for (Connection& connection : listener->connections) {
      reactor_.unwatch(connection.channel.fd());
      if (connection.attached == kNoPort || connection.said.empty()) {
        listener->disposal.take(std::move(connection.channel));
      }
    }
  }
  listeners_.clear();
}

bool MemifServer::serves(PortId port) const {
  return std::ranges::any_of(listeners_, [port](const auto& entry) {
    return std::ranges::any_of(entry.second->served,
                               [port](const auto& one) { return one.second.port == port; });
  });
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
