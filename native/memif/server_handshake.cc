#include "memif/server_handshake.h"

#include <fcntl.h>

#include <cstring>
#include <span>

namespace memswitch::memif {

namespace {

// In time that does not depend on where the two differ.
bool secret_matches(const std::string& wanted, const char (&given)[kSecretSize]) {
  char padded[kSecretSize];
  put_text(padded, sizeof padded, wanted);
  unsigned difference = 0;
  for (size_t i = 0; i < kSecretSize; ++i) {
    difference |= static_cast<unsigned char>(padded[i] ^ given[i]);
  }
  return difference == 0;
}

size_t fds_wanted(MessageType type) {
  return type == MessageType::kAddRegion || type == MessageType::kAddRing ? 1 : 0;
}

bool overlap(const RingPlace& a, const RingPlace& b) {
  return a.region == b.region && a.offset < b.offset + ring_bytes(b.log2_size) &&
         b.offset < a.offset + ring_bytes(a.log2_size);
}

bool overlaps_any(const RingPlace& place, std::span<const RingPlace> others) {
  for (const RingPlace& other : others) {
    if (overlap(place, other)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Message ServerHandshake::hello(const std::string& name, const Interface& limits) {
  Message message{};
  message.type = MessageType::kHello;
  put_text(message.hello.name, sizeof message.hello.name, name);
  message.hello.min_version = kVersion;
  message.hello.max_version = kVersion;
  message.hello.max_region = kMaxRegions - 1;
  message.hello.max_m2s_ring = static_cast<uint16_t>(limits.queues - 1);
  message.hello.max_s2m_ring = static_cast<uint16_t>(limits.queues - 1);
  message.hello.max_log2_ring_size = limits.log2_ring_size;
  return message;
}

ServerHandshake::Step ServerHandshake::take(Record& record, Message& answer) {
  if (record.message.type == MessageType::kDisconnect) {
    by_peer_ = true;
    const Disconnect& d = record.message.disconnect;
    const std::string words = take_text(d.reason, sizeof d.reason);
    return end(words.empty() ? "the peer disconnected" : words);
  }
  if (Reason reason = dispatch(record); !reason.empty()) {
    return end(std::move(reason));
  }
  answer = Message{};
  if (state_ != State::kConnected) {
    answer.type = MessageType::kAck;
    return Step::kAnswer;
  }
  answer.type = MessageType::kConnected;
  put_text(answer.connect.name, sizeof answer.connect.name, "memswitch");
  return Step::kConnect;
}

ServerHandshake::Step ServerHandshake::end(Reason reason) {
  reason_ = std::move(reason);
  return Step::kEnd;
}

Reason ServerHandshake::dispatch(Record& record) {
  const MessageType type = record.message.type;
  if (record.fds.size() != fds_wanted(type)) {
    return "message type " + std::to_string(static_cast<unsigned>(type)) + " with " +
           std::to_string(record.fds.size()) + " descriptors";
  }
  const Message& m = record.message;
  if (type == MessageType::kInit && state_ == State::kInit) {
    return take_init(m.init);
  }
  if (type == MessageType::kAddRegion && state_ == State::kRegions) {
    return take_region(m.add_region, std::move(record.fds[0]));
  }
  if (type == MessageType::kAddRing && (state_ == State::kRegions || state_ == State::kRings)) {
    return take_ring(m.add_ring, std::move(record.fds[0]));
  }
  if (type == MessageType::kConnect && state_ == State::kRings) {
    return take_connect();
  }
  return "message type " + std::to_string(static_cast<unsigned>(type)) + " out of order";
}

Reason ServerHandshake::take_init(const Init& init) {
  if (init.version != kVersion) {
    return "version " + std::to_string(init.version) + " is not 2.0";
  }
  if (init.mode != Mode::kEthernet) {
    return "mode must be ethernet";
  }
  Reason reason;
  interface_ = find_(init.id, reason);
  if (!interface_) {
    return reason;
  }
  if (!interface_->secret.empty() && !secret_matches(interface_->secret, init.secret)) {
    return "wrong secret";
  }
  attachment_.id = init.id;
  attachment_.peer = take_text(init.name, sizeof init.name);
  state_ = State::kRegions;
  return {};
}

Reason ServerHandshake::take_region(const AddRegion& add, UniqueFd file) {
  if (add.index != attachment_.regions.size() || add.index >= kMaxRegions) {
    return "region " + std::to_string(add.index) + " out of order";
  }
  if (add.size > kMaxRegionBytes - mapped_bytes_) {
    return "regions of more than " + std::to_string(kMaxRegionBytes) + " bytes together";
  }
  Region region;
  if (Reason reason = Region::map(file, add.size, !interface_->trusted, region); !reason.empty()) {
    return reason;
  }
  mapped_bytes_ += add.size;
  attachment_.regions.push_back(std::move(region));
  return {};
}

Reason ServerHandshake::take_ring(const AddRing& add, UniqueFd doorbell) {
  auto& rings =
      (add.flags & kRingFromClient) != 0 ? attachment_.from_client : attachment_.to_client;
  if (add.index != rings.size() || add.index >= interface_->queues) {
    return "ring " + std::to_string(add.index) + " out of order, or more than " +
           std::to_string(interface_->queues) + " queues";
  }
  if (add.log2_ring_size < 1 || add.log2_ring_size > interface_->log2_ring_size) {
    return "ring size 2^" + std::to_string(add.log2_ring_size) + " is not from 2 to 2^" +
           std::to_string(interface_->log2_ring_size);
  }
  if (add.private_header_size != 0) {
    return "private headers are not part of memif 2.0";
  }
  if (add.region >= attachment_.regions.size()) {
    return "ring in region " + std::to_string(add.region) + ", which was not announced";
  }
  if (add.offset % alignof(Descriptor) != 0 ||
      add.offset + ring_bytes(add.log2_ring_size) > attachment_.regions[add.region].size()) {
    return "ring at offset " + std::to_string(add.offset) +
           " is not aligned or not inside its region";
  }
  RingPlace place{add.region, add.offset, add.log2_ring_size, {}};
  if (overlaps_any(place, attachment_.from_client) || overlaps_any(place, attachment_.to_client)) {
    return "rings overlap";
  }
  if (!is_eventfd(doorbell)) {
    return "the ring's descriptor is not an eventfd";
  }
  ::fcntl(doorbell.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  place.doorbell = std::move(doorbell);
  rings.push_back(std::move(place));
  state_ = State::kRings;
  return {};
}

Reason ServerHandshake::take_connect() {
  if (attachment_.from_client.empty() || attachment_.to_client.empty()) {
    return "connect without a ring in each direction";
  }
  for (const auto* rings : {&attachment_.from_client, &attachment_.to_client}) {
    for (const RingPlace& place : *rings) {
      uint32_t cookie = 0;
      std::memcpy(&cookie, attachment_.regions[place.region].base() + place.offset, sizeof cookie);
      if (cookie != kCookie) {
        return "wrong cookie in a ring";
      }
    }
  }
  state_ = State::kConnected;
  return {};
}

}  // namespace memswitch::memif
