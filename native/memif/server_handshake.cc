#include "memif/server_handshake.h"

#include <cstring>

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

// What the places of rings, which lie back to back in every implementation, tell of the cache line that they were laid
// out by.
uint8_t guess_cache_line(const Attachment& attachment) {
  bool wide = false;
  const RingPlace* before = nullptr;
  for (const auto* rings : {&attachment.from_client, &attachment.to_client}) {
    for (const RingPlace& place : *rings) {
      if (before != nullptr && before->region == place.region) {
        const uint64_t distance = uint64_t{place.offset} - before->offset;
        if (distance == ring_bytes(before->log2_size, kCacheLine)) {
          return kCacheLine;
        }
        wide = wide || distance == ring_bytes(before->log2_size, kWideCacheLine);
      }
      before = &place;
    }
  }
  return wide ? kWideCacheLine : kCacheLine;
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
    return end({Fault::kNone, words.empty() ? "the peer disconnected" : words});
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
    return {Fault::kDescriptors, "message type " + std::to_string(static_cast<unsigned>(type)) +
                                     " with " + std::to_string(record.fds.size()) + " descriptors"};
  }
  const Message& m = record.message;
  if (type == MessageType::kInit && state_ == State::kInit) {
    return take_init(m.init);
  }
  if (type == MessageType::kAddRegion && state_ == State::kRegions) {
    return take_region(m.add_region, record.fds[0]);
  }
  if (type == MessageType::kAddRing && (state_ == State::kRegions || state_ == State::kRings)) {
    return take_ring(m.add_ring, record.fds[0]);
  }
  if (type == MessageType::kConnect && state_ == State::kRings) {
    return take_connect();
  }
  return {Fault::kOrder,
          "message type " + std::to_string(static_cast<unsigned>(type)) + " out of order"};
}

Reason ServerHandshake::take_init(const Init& init) {
  if (init.version != kVersion) {
    return {Fault::kRefused, "version " + std::to_string(init.version) + " is not 2.0"};
  }
  Reason reason;
  interface_ = find_(init.id, reason);
  if (!interface_) {
    return reason;
  }
  if (init.mode != interface_->mode) {
    return {Fault::kRefused,
            interface_->mode == Mode::kIp ? "mode must be ip" : "mode must be ethernet"};
  }
  if (!interface_->secret.empty() && !secret_matches(interface_->secret, init.secret)) {
    return {Fault::kRefused, "wrong secret"};
  }
  attachment_.id = init.id;
  attachment_.peer = take_text(init.name, sizeof init.name);
  state_ = State::kRegions;
  return {};
}

Reason ServerHandshake::take_region(const AddRegion& add, const UniqueFd& file) {
  if (add.index != attachment_.regions.size() || add.index >= kMaxRegions) {
    return {Fault::kRegion, "region " + std::to_string(add.index) + " out of order"};
  }
  if (add.size > kMaxRegionBytes - mapped_bytes_) {
    return {Fault::kRegion,
            "regions of more than " + std::to_string(kMaxRegionBytes) + " bytes together"};
  }
  Region region;
  if (Reason reason = Region::map(file, add.size, interface_->memory, region); !reason.empty()) {
    return reason;
  }
  mapped_bytes_ += add.size;
  attachment_.regions.push_back(std::move(region));
  return {};
}

Reason ServerHandshake::take_ring(const AddRing& add, UniqueFd& doorbell) {
  auto& rings =
      (add.flags & kRingFromClient) != 0 ? attachment_.from_client : attachment_.to_client;
  if (add.index != rings.size() || add.index >= interface_->queues) {
    return {Fault::kRing, "ring " + std::to_string(add.index) + " out of order, or more than " +
                              std::to_string(interface_->queues) + " queues"};
  }
  if (add.log2_ring_size < 1 || add.log2_ring_size > interface_->log2_ring_size) {
    return {Fault::kRing, "ring size 2^" + std::to_string(add.log2_ring_size) +
                              " is not from 2 to 2^" + std::to_string(interface_->log2_ring_size)};
  }
  if (add.private_header_size != 0) {
    return {Fault::kRing, "private headers are not part of memif 2.0"};
  }
  RingPlace place{add.region, add.offset, add.log2_ring_size, {}};
  const uint8_t cache_line = interface_->cache_line == 0 ? kCacheLine : interface_->cache_line;
  if (Reason reason = check_place(place, cache_line); !reason.empty()) {
    return reason;
  }
  if (!is_eventfd(doorbell)) {
    return {Fault::kRing, "the ring's descriptor is not an eventfd"};
  }
  place.doorbell = std::move(doorbell);
  rings.push_back(std::move(place));
  state_ = State::kRings;
  return {};
}

// Inside its region, and apart from all other rings.
Reason ServerHandshake::check_place(const RingPlace& place, uint8_t cache_line) const {
  const auto end_of = [cache_line](const RingPlace& ring) {
    return ring.offset + ring_bytes(ring.log2_size, cache_line);
  };
  if (place.region >= attachment_.regions.size()) {
    return {Fault::kRing,
            "ring in region " + std::to_string(place.region) + ", which was not announced"};
  }
  if (place.offset % alignof(Descriptor) != 0 ||
      end_of(place) > attachment_.regions[place.region].size()) {
    return {Fault::kRing, "ring at offset " + std::to_string(place.offset) +
                              " is not aligned or not inside its region"};
  }
  for (const auto* rings : {&attachment_.from_client, &attachment_.to_client}) {
    for (const RingPlace& other : *rings) {
      if (&other != &place && other.region == place.region && other.offset < end_of(place) &&
          place.offset < end_of(other)) {
        return {Fault::kRing, "rings overlap"};
      }
    }
  }
  return {};
}

// With all rings known: how they are laid out. Wide ones have to pass the checks as such.
Reason ServerHandshake::settle_layout() {
  attachment_.cache_line =
      interface_->cache_line == 0 ? guess_cache_line(attachment_) : interface_->cache_line;
  for (const auto* rings : {&attachment_.from_client, &attachment_.to_client}) {
    for (const RingPlace& place : *rings) {
      if (Reason reason = check_place(place, attachment_.cache_line); !reason.empty()) {
        return reason;
      }
    }
  }
  return {};
}

Reason ServerHandshake::take_connect() {
  if (attachment_.from_client.empty() || attachment_.to_client.empty()) {
    return {Fault::kRing, "connect without a ring in each direction"};
  }
  if (Reason reason = settle_layout(); !reason.empty()) {
    return reason;
  }
  for (const auto* rings : {&attachment_.from_client, &attachment_.to_client}) {
    for (const RingPlace& place : *rings) {
      uint32_t cookie = 0;
      std::memcpy(&cookie, attachment_.regions[place.region].base() + place.offset, sizeof cookie);
      if (cookie != kCookie) {
        return Reason(Fault::kWrongCookie);
      }
    }
  }
  state_ = State::kConnected;
  return {};
}

}  // namespace memswitch::memif
