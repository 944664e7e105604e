#include "control/pcapng.h"

#include <array>
#include <cstring>
#include <string_view>

#include "dataplane/frame.h"

namespace memswitch {

namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;

constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kLinkTypeEthernet = 1;  // LINKTYPE_ETHERNET

constexpr uint16_t kEndOfOptions = 0;
constexpr uint16_t kComment = 1;
constexpr uint16_t kSectionApplication = 4;
constexpr uint16_t kInterfaceName = 2;
constexpr uint16_t kInterfaceDescription = 3;
constexpr uint16_t kInterfaceResolution = 9;
constexpr uint16_t kInterfaceFilter = 11;
constexpr uint16_t kPacketFlags = 2;
constexpr uint16_t kPacketDropCount = 4;
constexpr uint16_t kStatisticsReceived = 4;
constexpr uint16_t kStatisticsDropped = 5;

constexpr uint8_t kNanoseconds = 9;  // 10^-9

// epb_flags: direction in bits 0 and 1, how the frame was addressed in bits 2 to 4.
constexpr uint32_t kInbound = 1;
constexpr uint32_t kOutbound = 2;
constexpr uint32_t kUnicast = 1 << 2;
constexpr uint32_t kMulticast = 2 << 2;
constexpr uint32_t kBroadcast = 3 << 2;

// Appends a block; its length, which stands at both ends, when it is complete.
class Block {
 public:
  Block(std::vector<std::byte>& to, uint32_t type) : to_(to), start_(to.size()) {
    put(type);
    put(uint32_t{0});
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    const auto length = static_cast<uint32_t>(to_.size() - start_ + sizeof(uint32_t));
    put(length);
    std::memcpy(to_.data() + start_ + sizeof(uint32_t), &length, sizeof length);
  }

  template <typename T>
  void put(T value) {
    put(std::as_bytes(std::span(&value, 1)));
  }
  void put(std::span<const std::byte> bytes) { to_.insert(to_.end(), bytes.begin(), bytes.end()); }
  void pad() { to_.resize(start_ + ((to_.size() - start_ + 3) & ~size_t{3})); }

  void option(uint16_t code, std::span<const std::byte> value) {
    put(code);
    put(static_cast<uint16_t>(value.size()));
    put(value);
    pad();
  }
  void option(uint16_t code, std::string_view text) {
    option(code, std::as_bytes(std::span(text.substr(0, UINT16_MAX - 3))));
  }
  template <typename T>
  void number(uint16_t code, T value) {
    option(code, std::as_bytes(std::span(&value, 1)));
  }
  void end_options() { put(uint32_t{kEndOfOptions}); }

  void time(uint64_t ns) {
    put(static_cast<uint32_t>(ns >> 32));
    put(static_cast<uint32_t>(ns));
  }

 private:
  std::vector<std::byte>& to_;
  const size_t start_;
};

uint32_t flags_of(const CaptureRecord& record) {
  const uint32_t direction = record.direction == Direction::kRx ? kInbound : kOutbound;
  if (record.captured < 6) {
    return direction;
  }
  Mac destination = 0;
  std::memcpy(&destination, record.bytes(), 6);
  return direction | (destination == kMacMask ? kBroadcast
                      : is_group(destination) ? kMulticast
                                              : kUnicast);
}

}  // namespace

uint32_t PcapngWriter::add_interface(std::string name, std::string description) {
  interfaces_.push_back({std::move(name), std::move(description)});
  return static_cast<uint32_t>(interfaces_.size() - 1);
}

void PcapngWriter::begin(std::vector<std::byte>& to) const {
  {
    Block block(to, kSectionHeader);
    block.put(kByteOrder);
    block.put(uint16_t{1});  // version 1.0
    block.put(uint16_t{0});
    block.put(UINT64_MAX);  // nobody knows how long it will be
    block.option(kSectionApplication, section_.application);
    block.end_options();
  }
  for (const Interface& one : interfaces_) {
    Block block(to, kInterface);
    block.put(kLinkTypeEthernet);
    block.put(uint16_t{0});
    block.put(section_.snaplen);
    block.option(kInterfaceName, one.name);
    block.option(kInterfaceDescription, one.description);
    block.number(kInterfaceResolution, kNanoseconds);
    if (!section_.filter.empty()) {
      block.option(kInterfaceFilter, std::string(1, '\0') + section_.filter);
    }
    block.end_options();
  }
}

void PcapngWriter::add(std::vector<std::byte>& to, const CaptureRecord& record, uint32_t interface,
                       uint64_t lost) {
  last_time_ = record.time;
  Block block(to, kEnhancedPacket);
  block.put(interface);
  block.time(record.time);
  block.put(record.captured);
  block.put(record.length);
  block.put(std::span(record.bytes(), record.captured));
  block.pad();
  block.number(kPacketFlags, flags_of(record));
  if (lost > 0) {
    block.number(kPacketDropCount, lost);
  }
  if (record.fate != kUnderWay) {
    const DropText& reason = kDropTexts[record.fate - 1U];
    block.option(kComment, std::string("dropped: ") + reason.name + ". " + reason.help);
  }
  block.end_options();
}

void PcapngWriter::end(std::vector<std::byte>& to, uint64_t frames, uint64_t lost) const {
  Block block(to, kStatistics);
  block.put(uint32_t{0});
  block.time(last_time_);
  if (interfaces_.size() > 1) {
    block.option(kComment, std::string_view("of all interfaces together"));
  }
  block.number(kStatisticsReceived, frames + lost);
  block.number(kStatisticsDropped, lost);
  block.end_options();
}

}  // namespace memswitch
