#include "control/policies.h"

#include <algorithm>

#include "dataplane/headers.h"
#include "dataplane/pollset.h"

namespace memswitch {

namespace {

template <typename Address>
using Ranges = std::vector<Senders::Range<Address>>;

template <typename Address>
Senders::Range<Address> range_of(Address address, int bits) {
  constexpr int kWidth = sizeof(Address) * 8;
  const Address all = ~Address{0};
  const Address host = bits >= kWidth ? Address{0} : static_cast<Address>(all >> bits);
  return {static_cast<Address>(address & ~host), static_cast<Address>(address | host)};
}

// Ascending, and apart from each other: prefixes lie within each other, or do not meet.
template <typename Address>
void put_in_order(Ranges<Address>& ranges) {
  std::ranges::sort(ranges, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });
  Ranges<Address> apart;
  for (const auto& range : ranges) {
    if (apart.empty() || range.first > apart.back().last) {
      apart.push_back(range);
    }
  }
  ranges = std::move(apart);
}

Senders::Ipv6 number(const IpAddress& address) {
  Senders::Ipv6 value = 0;
  for (const std::byte byte : address.bytes) {
    value = value << 8 | std::to_integer<unsigned>(byte);
  }
  return value;
}

std::unique_ptr<const Senders> make_senders(const SenderOptions& options) {
  auto senders = std::make_unique<Senders>();
  senders->macs = options.macs;
  std::ranges::sort(senders->macs);
  senders->any_ip = options.ips.empty();
  for (const IpPrefix& prefix : options.ips) {
    if (prefix.address.is_ipv4()) {
      // Of the whole address as it is kept, ::ffff:a.b.c.d, where more than 32 are said to count.
      const int bits = prefix.bits > 32 ? std::max(prefix.bits - 96, 0) : prefix.bits;
      senders->ipv4.push_back(range_of(load_be32(prefix.address.data()), bits));
    } else {
      senders->ipv6.push_back(range_of(number(prefix.address), prefix.bits));
    }
  }
  put_in_order(senders->ipv4);
  put_in_order(senders->ipv6);
  return senders;
}

std::unique_ptr<Meter> make_meter(uint64_t rate, uint32_t burst_ms) {
  constexpr uint64_t kMillisecondsPerSecond = 1000;
  return rate == 0 ? nullptr
                   : std::make_unique<Meter>(
                         rate, std::max<uint64_t>(rate * burst_ms / kMillisecondsPerSecond, 1),
                         cycles_per_second());
}

RateLimit make_limit(const RateOptions& options) {
  return {.frames = make_meter(options.frames, options.burst_ms),
          .bits = make_meter(options.bits, options.burst_ms)};
}

std::unique_ptr<const Vlans> make_vlans(const VlanOptions& options) {
  auto vlans = std::make_unique<Vlans>();
  vlans->untagged = options.untagged;
  for (const VlanOptions::Range& range : options.tagged) {
    for (uint16_t vlan = range.first; vlan <= range.last; ++vlan) {
      vlans->add(vlan);
    }
  }
  return vlans;
}

}  // namespace

bool carries(const VlanOptions& options, uint16_t vlan) {
  return make_vlans(options)->carries(vlan);
}

std::unique_ptr<const Policy> make_policy(const PolicyOptions& options, bool vlans) {
  auto policy = std::make_unique<Policy>();
  if (vlans) {
    policy->vlans = make_vlans(options.vlans);
  }
  if (options.senders) {
    policy->senders = make_senders(*options.senders);
  }
  policy->rx = make_limit(options.rx);
  policy->tx = make_limit(options.tx);
  constexpr uint32_t kSecond_ms = 1000;
  bool storm = false;
  for (size_t sort = 0; sort < kFlooded; ++sort) {
    policy->storm[sort] = make_meter(options.storm[sort], kSecond_ms);
    storm = storm || policy->storm[sort];
  }
  if (!vlans && !policy->senders && !policy->rx && !policy->tx && !storm) {
    return nullptr;
  }
  return policy;
}

}  // namespace memswitch
