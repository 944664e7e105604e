// Policies of ports, from JavaScript.
#include "binding/convert.h"

namespace memswitch::binding {

namespace {

constexpr int64_t kMaxRate =
    1'000'000'000'000;  // a second; with an hour's bucket it stays far below 2^63

RateOptions rate_options(const Napi::Object& rate) {
  return {
      .frames = static_cast<uint64_t>(number(rate.Get("frames"), "frames", 0, kMaxRate)),
      .bits = static_cast<uint64_t>(number(rate.Get("bits"), "bits", 0, kMaxRate)),
      .burst_ms = static_cast<uint32_t>(number(rate.Get("burst"), "burst", 1, 3'600'000)),
  };
}

SenderOptions sender_options(const Napi::Object& senders) {
  SenderOptions options;
  const auto macs = senders.Get("macs").As<Napi::Array>();
  for (uint32_t i = 0; i < macs.Length(); ++i) {
    options.macs.push_back(mac(macs.Get(i)));
  }
  const auto ips = senders.Get("ips").As<Napi::Array>();
  for (uint32_t i = 0; i < ips.Length(); ++i) {
    const auto prefix = ips.Get(i).As<Napi::Object>();
    options.ips.push_back(
        {.address = address(prefix.Get("address"), "address"),
         .bits = static_cast<uint8_t>(number(prefix.Get("bits"), "bits", 0, 128))});
  }
  return options;
}

VlanOptions vlan_options(const Napi::Object& vlans) {
  const auto vlan = [](const Napi::Value& value, const char* name, int64_t least) {
    return static_cast<uint16_t>(number(value, name, least, kMaxVlan));
  };
  VlanOptions options{.untagged = vlan(vlans.Get("untagged"), "untagged", 0)};
  const auto ranges = vlans.Get("tagged").As<Napi::Array>();
  for (uint32_t i = 0; i < ranges.Length(); ++i) {
    const auto range = ranges.Get(i).As<Napi::Array>();
    const uint16_t first = vlan(range.Get(0U), "tagged", 1);
    options.tagged.push_back({first, vlan(range.Get(1U), "tagged", first)});
  }
  return options;
}

}  // namespace

PolicyOptions policy_options(const Napi::Object& policy) {
  PolicyOptions options{.isolated = boolean(policy.Get("isolated"), "isolated"),
                        .vepa = boolean(policy.Get("vepa"), "vepa"),
                        .rx = rate_options(policy.Get("rx").As<Napi::Object>()),
                        .tx = rate_options(policy.Get("tx").As<Napi::Object>()),
                        .vlans = vlan_options(policy.Get("vlans").As<Napi::Object>())};
  if (const Napi::Value senders = policy.Get("senders"); !senders.IsNull()) {
    options.senders = sender_options(senders.As<Napi::Object>());
  }
  const auto storm = policy.Get("storm").As<Napi::Object>();
  const char* const sorts[kFlooded] = {"broadcast", "multicast", "unknown"};
  for (size_t sort = 0; sort < kFlooded; ++sort) {
    options.storm[sort] =
        static_cast<uint64_t>(number(storm.Get(sorts[sort]), sorts[sort], 0, kMaxRate));
  }
  return options;
}

}  // namespace memswitch::binding
