// The policies of ports as control is told of them, and made for poll threads (dataplane/policy.h).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/policy.h"
#include "vxlan/ip_address.h"

namespace memswitch {

struct IpPrefix {
  IpAddress address{};
  uint8_t bits = 0;  // of 32 or 128; those behind do not count
};

// Empty: any.
struct SenderOptions {
  std::vector<Mac> macs{};
  std::vector<IpPrefix> ips{};
};

// A second; 0: no limit. A limit takes at once what it lets pass in `burst_ms`.
struct RateOptions {
  uint64_t frames = 0;
  uint64_t bits = 0;
  uint32_t burst_ms = 100;
};

// In a bridge of VLANs.
struct VlanOptions {
  uint16_t untagged = 1;  // 0: frames without a tag are refused
  struct Range {
    uint16_t first;
    uint16_t last;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> tagged{};

  bool operator==(const VlanOptions&) const = default;
};

struct PolicyOptions {
  bool isolated = false;
  bool vepa = false;
  std::optional<SenderOptions> senders{};
  RateOptions rx{};
  RateOptions tx{};
  VlanOptions vlans{};
  std::array<uint64_t, kFlooded>
      storm{};  // frames a second by Flooded, a second's worth at once; 0: no limit
};

// Null: all is allowed. `vlans`: whether the port is in a bridge of VLANs; without, the options' do not count.
std::unique_ptr<const Policy> make_policy(const PolicyOptions& options, bool vlans = false);

bool carries(const VlanOptions& options, uint16_t vlan);

}  // namespace memswitch
