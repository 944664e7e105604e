// memif 2.0 as it lies in memory and on the control socket. Facts, not code, taken from the protocol as VPP,
// libmemif and DPDK speak it; every offset is checked by the compiler. All fields are in host byte order: both
// sides run on one host.
#pragma once

#include <cstddef>
#include <cstdint>

namespace memswitch::memif {

inline constexpr uint32_t kCookie = 0x3E31F20;
inline constexpr uint16_t kVersion = 0x0200;  // major 2, minor 0
inline constexpr size_t kRecordSize = 128;    // each control message, whatever its type
inline constexpr size_t kNameSize = 32;
inline constexpr size_t kSecretSize = 24;
inline constexpr size_t kReasonSize = 96;
inline constexpr uint8_t kMaxLog2RingSize =
    14;  // free-running u16 indexes must tell full from empty
inline constexpr uint16_t kMaxRegions = 256;

enum class MessageType : uint16_t {
  kNone,
  kAck,
  kHello,
  kInit,
  kAddRegion,
  kAddRing,
  kConnect,
  kConnected,
  kDisconnect,
};

enum class Mode : uint8_t { kEthernet, kIp, kPuntInject };

struct [[gnu::packed]] Hello {  // server, right after accept
  char name[kNameSize];
  uint16_t min_version;
  uint16_t max_version;
  uint16_t max_region;    // each maximum is the highest index, not a count
  uint16_t max_m2s_ring;  // towards the client
  uint16_t max_s2m_ring;  // from the client
  uint8_t max_log2_ring_size;
};

struct [[gnu::packed]] Init {  // client
  uint16_t version;
  uint32_t id;
  Mode mode;
  char secret[kSecretSize];  // ends in NUL only when shorter
  char name[kNameSize];
};

struct [[gnu::packed]] AddRegion {  // client; the region's memfd comes along
  uint16_t index;
  uint64_t size;
};

inline constexpr uint16_t kRingFromClient = 1;  // AddRing.flags: S2M

struct [[gnu::packed]] AddRing {  // client; the ring's eventfd comes along
  uint16_t flags;
  uint16_t index;
  uint16_t region;
  uint32_t offset;
  uint8_t log2_ring_size;
  uint16_t private_header_size;  // must be 0
};

struct [[gnu::packed]] Connect {  // client; the server's answer, Connected, is the same
  char name[kNameSize];
};

struct [[gnu::packed]] Disconnect {  // either
  uint32_t code;
  char reason[kReasonSize];
};

struct [[gnu::packed]] Message {
  MessageType type;
  union {
    Hello hello;
    Init init;
    AddRegion add_region;
    AddRing add_ring;
    Connect connect;
    Disconnect disconnect;
    std::byte body[kRecordSize - sizeof(MessageType)];
  };
};

static_assert(sizeof(Message) == kRecordSize);
static_assert(sizeof(Hello) == 43 && sizeof(Init) == 63 && sizeof(AddRegion) == 10);
static_assert(sizeof(AddRing) == 13 && sizeof(Disconnect) == 100);
static_assert(offsetof(Message, init.id) == 4 && offsetof(Message, init.secret) == 9);
static_assert(offsetof(Message, add_ring.log2_ring_size) == 12);

inline constexpr uint16_t kRingMaskInterrupt = 1;  // RingHeader.flags: "I poll, do not wake me"

// A ring by lines: the first is this header, the second begins with the tail (u16, written by the server), the third
// is the first of the descriptors. Not aligned to lines: rings lie back to back, and one of two slots has 160 bytes.
struct RingHeader {
  uint32_t cookie;
  uint16_t flags;  // written by the side that consumes data
  uint16_t head;   // written by the client
};

static_assert(sizeof(RingHeader) == 8 && alignof(RingHeader) == 4);
static_assert(offsetof(RingHeader, flags) == 4 && offsetof(RingHeader, head) == 6);

// The cache line of the machine that a peer was built for. Most have 64 bytes; libmemif takes 128 on arm64, and VPP and
// DPDK can be built so. The protocol does not tell.
inline constexpr uint8_t kCacheLine = 64;
inline constexpr uint8_t kWideCacheLine = 128;

inline constexpr uint16_t kDescriptorNext = 1;  // the frame goes on in the next slot

struct alignas(16) Descriptor {
  uint16_t flags;
  uint16_t region;
  uint32_t length;
  uint32_t offset;
  uint32_t metadata;  // unused by every implementation
};

static_assert(sizeof(Descriptor) == 16 && offsetof(Descriptor, offset) == 8);

constexpr size_t ring_bytes(uint8_t log2_size, uint8_t cache_line) {
  return size_t{2} * cache_line + (sizeof(Descriptor) << log2_size);
}

}  // namespace memswitch::memif
