#include "tables/tunnel_table.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>

namespace memswitch {

// The flag of the table, held for a scope.
class RemoteTable::Lock {
 public:
  explicit Lock(std::atomic<bool>& taken) : taken_(taken) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (held_) {
      taken_.store(false, std::memory_order_release);
    }
  }
  bool try_take() {
    held_ = !taken_.exchange(true, std::memory_order_acquire);
    return held_;
  }
  void take() {
    while (!try_take()) {
      __builtin_ia32_pause();
    }
  }

 private:
  std::atomic<bool>& taken_;
  bool held_ = false;
};

RemoteTable::RemoteTable() {
  while (::getrandom(key_.data(), sizeof key_, 0) != sizeof key_) {
  }
}

Mac RemoteTable::key(const IpAddress& address) const {
  if (address.is_ipv4()) {
    uint32_t bits;
    std::memcpy(&bits, address.data(), sizeof bits);
    return Mac{1} << 40 | bits;
  }
  std::array<uint64_t, 2> bits;
  std::memcpy(bits.data(), address.data(), sizeof bits);
  const unsigned __int128 mixed =
      static_cast<unsigned __int128>(bits[0] ^ key_[0]) * (key_[1] | 1) +
      static_cast<unsigned __int128>(bits[1] ^ key_[2]) * (key_[3] | 1);
  const uint64_t folded = static_cast<uint64_t>(mixed) ^ static_cast<uint64_t>(mixed >> 64);
  return std::max<Mac>((folded ^ folded >> 32) & kMacMask, 1);
}

RemoteIndex RemoteTable::find(const IpAddress& address) const {
  const Mac k = key(address);
  const RemoteIndex index = by_address_.find(k, by_address_.hash(k));
  const bool same =
      index != kNoRemote && remotes_[index].is_known() && remotes_[index].address == address;
  return same ? index : kNoRemote;
}

RemoteIndex RemoteTable::insert(const IpAddress& address, Remote::State state) {
  for (RemoteIndex index = 1; index < kMaxRemotes; ++index) {
    Remote& remote = remotes_[index];
    if (remote.state.load(std::memory_order_acquire) != Remote::State::kFree) {
      continue;
    }
    remote.address = address;
    remote.heard_once.store(false, std::memory_order_relaxed);
    remote.mtu.store(0, std::memory_order_relaxed);
    remote.longest.store(kMaxFrame, std::memory_order_relaxed);
    const Mac k = key(address);
    if (by_address_.learn(k, by_address_.hash(k), index, quota_, 0).result !=
        MacTable::Learned::kAdded) {
      return kNoRemote;
    }
    remote.state.store(state, std::memory_order_release);
    return index;
  }
  return kNoRemote;
}

RemoteIndex RemoteTable::learn(const IpAddress& address) {
  Lock lock(taken_);
  if (!lock.try_take()) {
    return kNoRemote;
  }
  const RemoteIndex known = find(address);
  return known != kNoRemote ? known : insert(address, Remote::State::kLearned);
}

RemoteIndex RemoteTable::add(const IpAddress& address) {
  Lock lock(taken_);
  lock.take();
  const RemoteIndex known = find(address);
  if (known != kNoRemote) {
    remotes_[known].state.store(Remote::State::kConfigured, std::memory_order_release);
    return known;
  }
  return insert(address, Remote::State::kConfigured);
}

void RemoteTable::leave(RemoteIndex index) {
  Lock lock(taken_);
  lock.take();
  remotes_[index].state.store(Remote::State::kLeaving, std::memory_order_release);
  MacTable::Entry was;
  if (by_address_.remove(key(remotes_[index].address), was)) {
    quota_.give_back();
  }
}

void RemoteTable::free(RemoteIndex index) {
  remotes_[index].state.store(Remote::State::kFree, std::memory_order_release);
}

VniTable::VniTable(std::vector<Tunnel> tunnels)
    : slots_(std::bit_ceil(2 * tunnels.size() + 1), Tunnel{0, nullptr}),
      mask_(slots_.size() - 1),
      home_(tunnels.front().port) {
  for (const Tunnel& tunnel : tunnels) {
    size_t at = slot(tunnel.vni);
    while (slots_[at & mask_].port != nullptr) {
      ++at;
    }
    slots_[at & mask_] = tunnel;
  }
}

}  // namespace memswitch
