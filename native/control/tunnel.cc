#include "control/tunnel.h"

#include <algorithm>
#include <map>

#include "tables/bridge.h"

namespace memswitch {

// --- remotes -------------------------------------------------------------------------------------------------------

void Tunnel::set_remotes(const std::vector<IpAddress>& remotes) {
  for (const IpAddress& remote : remotes) {
    port_.remotes.add(remote);
  }
  publish_flood();
  look_at_ways();
}

void Tunnel::publish_flood() {
  std::vector<RemoteIndex> list;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    if (port_.remotes[index].state.load() == Remote::State::kConfigured) {
      list.push_back(index);
    }
  }
  auto next = std::make_unique<const std::vector<RemoteIndex>>(std::move(list));
  port_.flood.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(flood_, std::move(next)));
}

Status Tunnel::add_remote(const IpAddress& address) {
  if (address.is_ipv4() != end_->options.local.is_ipv4()) {
    return refuse(Code::kInvalid, "the remote must be of the local address's family");
  }
  const RemoteIndex known = port_.remotes.find(address);
  if (known != kNoRemote && port_.remotes[known].state.load() == Remote::State::kConfigured) {
    return refuse(Code::kExists, address.text() + " is a remote of the tunnel already");
  }
  if (port_.remotes.add(address) == kNoRemote) {
    return refuse(Code::kLimit,
                  "a tunnel has at most " + std::to_string(kMaxRemotes - 1) + " remotes");
  }
  publish_flood();
  look_at_ways();
  return {};
}

Status Tunnel::remove_remote(const IpAddress& address) {
  const RemoteIndex index = port_.remotes.find(address);
  if (index == kNoRemote) {
    return refuse(Code::kNotFound, address.text() + " is not a remote of the tunnel");
  }
  drop_remote(index);
  publish_flood();
  return {};
}

// Its addresses go twice: now, so that nothing is sent there, and after the last burst that may have learned one more.
void Tunnel::drop_remote(RemoteIndex index) {
  port_.remotes.leave(index);
  forget_remote(index);
  reclaim_.later([weak = weak_from_this(), index] {
    if (const std::shared_ptr<Tunnel> tunnel = weak.lock()) {
      tunnel->free_remote(index);
    }
  });
}

void Tunnel::free_remote(RemoteIndex index) {
  forget_remote(index);
  for (uint16_t w = 0; w < port_.workers(); ++w) {
    RemoteCounters& counters = port_.counters_of(index, w);
    for (Counter* counter : {&counters.rx_frames, &counters.rx_bytes, &counters.tx_frames,
                             &counters.tx_bytes, &counters.drops}) {
      counter->reset();
    }
  }
  port_.remotes.free(index);
}

void Tunnel::forget_remote(RemoteIndex index) {
  sweep(0, port_.addresses.buckets(),
        [index](const MacTable::Entry& entry) { return entry.port == index; });
}

// --- addresses -----------------------------------------------------------------------------------------------------

template <typename Which>
uint32_t Tunnel::sweep(uint64_t first, uint64_t buckets, Which which) {
  uint32_t count = 0;
  port_.addresses.sweep(first, buckets, which, [&](const MacTable::Entry& entry) {
    if (!entry.is_static) {
      port_.addresses_quota.give_back();
    }
    ++count;
  });
  return count;
}

Status Tunnel::add_static(Mac mac, const IpAddress& remote) {
  const RemoteIndex index = port_.remotes.find(remote);
  if (index == kNoRemote) {
    return refuse(Code::kNotFound,
                  remote.text() + " is not a remote of the tunnel; add it as one first");
  }
  MacTable::Entry was;
  if (!port_.addresses.set_static(mac, index, was)) {
    return refuse(Code::kLimit, "the tunnel's address table is full; raise macLimit");
  }
  if (was.port != kNoRemote && !was.is_static) {
    port_.addresses_quota.give_back();
  }
  return {};
}

void Tunnel::forget(Mac mac) {
  MacTable::Entry was;
  if (port_.addresses.remove(mac, was) && !was.is_static) {
    port_.addresses_quota.give_back();
  }
}

uint32_t Tunnel::flush(bool statics) {
  return sweep(0, port_.addresses.buckets(),
               [statics](const MacTable::Entry& entry) { return statics || !entry.is_static; });
}

std::optional<IpAddress> Tunnel::remote_of(Mac mac, bool only_static) const {
  MacTable::Entry entry;
  if (!port_.addresses.look(mac, entry) || (only_static && !entry.is_static)) {
    return std::nullopt;
  }
  const Remote& remote = port_.remotes[entry.port];
  return remote.is_known() ? std::optional(remote.address) : std::nullopt;
}

// --- once a second -------------------------------------------------------------------------------------------------

void Tunnel::each_second() {
  age();
  look_at_ways();
}

// As Bridges::age(); a learned remote goes when it has been silent for as long.
void Tunnel::age() {
  const Bridge* bridge = port_.bridge.load();
  const uint16_t limit = bridge == nullptr ? uint16_t{0} : bridge->ageing.load();
  if (limit == 0) {
    return;
  }
  const uint16_t now = clock_.load();
  const uint64_t buckets = port_.addresses.buckets();
  const uint64_t part = buckets / std::max<uint64_t>(limit / 4, 1) + 1;
  sweep(next_bucket_, std::min(part, buckets), [&](const MacTable::Entry& entry) {
    return !entry.is_static && static_cast<uint16_t>(now - entry.seen) > limit;
  });
  next_bucket_ += part;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    const Remote& remote = port_.remotes[index];
    const auto silent = static_cast<uint16_t>(now - remote.heard.load());
    if (remote.state.load() == Remote::State::kLearned && remote.heard_once.load() &&
        silent > limit) {
      drop_remote(index);
    }
  }
}

void Tunnel::look_at_ways() {
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    if (Remote& remote = port_.remotes[index]; remote.is_known()) {
      const uint16_t mtu = end_->kernel
                               ? path_mtu(end_->kernel->sockets().probe.get(), remote.address)
                               : end_->options.mtu;
      const uint32_t around = vxlan::overhead(remote.address.is_ipv4());
      // The kernel may cut what is longer; we do not.
      const bool fixed = end_->port || end_->options.dont_fragment;
      remote.mtu.store(mtu);
      remote.longest.store(fixed && mtu > around ? mtu - around : kMaxFrame);
    }
  }
}

// --- what is shown -------------------------------------------------------------------------------------------------

RemoteStatus Tunnel::status_of(RemoteIndex index) const {
  const Remote& remote = port_.remotes[index];
  RemoteStatus shown{};
  shown.address = remote.address;
  shown.configured = remote.state.load() == Remote::State::kConfigured;
  shown.mtu = remote.mtu.load();
  shown.reachable = end_->kernel ? shown.mtu != 0 : end_->port->is_resolved(remote.address);
  shown.heard_s =
      remote.heard_once.load() ? static_cast<uint16_t>(clock_.load() - remote.heard.load()) : -1;
  for (uint16_t w = 0; w < port_.workers(); ++w) {
    const RemoteCounters& counters = port_.counters_of(index, w);
    shown.rx_frames += counters.rx_frames.get();
    shown.rx_bytes += counters.rx_bytes.get();
    shown.tx_frames += counters.tx_frames.get();
    shown.tx_bytes += counters.tx_bytes.get();
    shown.drops += counters.drops.get();
  }
  return shown;
}

std::vector<RemoteStatus> Tunnel::status() const {
  std::map<RemoteIndex, uint32_t> macs;
  port_.addresses.each([&](const MacTable::Entry& entry) { ++macs[entry.port]; });
  std::vector<RemoteStatus> list;
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    if (port_.remotes[index].is_known()) {
      list.push_back(status_of(index));
      list.back().macs = macs[index];
    }
  }
  return list;
}

}  // namespace memswitch
