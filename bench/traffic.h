// What the load does on its ports, by lanes: sends, takes what arrives, at a rate or as fast as the rings take it, and
// times it. A template by the kind of port, so that nothing is decided a frame.
#pragma once

#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/histogram.h"
#include "bench/packet_socket.h"
#include "bench/peer.h"
#include "bench/tunnel_end.h"
#include "bench/words.h"

namespace memswitch::bench {

using Clock = std::chrono::steady_clock;

// Address `n` of a port is 06:pp:pp:nn:nn:nn, both numbers in network order as real addresses count.
inline uint64_t address_of(size_t port) {
  return 0x06 | uint64_t{__builtin_bswap16(static_cast<uint16_t>(port))} << 8;
}
inline uint32_t low_bytes(uint32_t n) {
  return __builtin_bswap32(n) >> 8;
}
inline constexpr uint64_t kBroadcast = 0xffff'ffff'ffff;
inline constexpr uint64_t kType = __builtin_bswap16(kEtherType);

// One direction between ports.
template <typename Port>
struct Lane {
  Port* from;
  uint64_t source;
  uint64_t destination;  // the receiver's address 0
};

struct Counts {
  uint64_t offered = 0;   // due to be sent; what a full ring refused is lost, as on a wire
  uint64_t sent = 0;      // taken by the rings
  uint64_t received = 0;  // arrived
  uint32_t stalls = 0;    // times we ourselves were away for so long that what was due was forgiven
};

// The classical simple Internet mix, 7:4:1, spread out.
inline constexpr std::array<uint32_t, 12> kImix = {64, 594, 64, 64,  594, 64,
                                                   64, 594, 64, 594, 64,  1518};
inline constexpr uint32_t kBurstSent = 64;
inline constexpr uint64_t kMaxDebt = 1024;  // frames

template <typename Port>
class Traffic {
 public:
  Traffic(std::vector<std::unique_ptr<Port>> ports, size_t active, bool tunnel)
      : ports_(std::move(ports)), active_(active), far_(tunnel ? ports_.at(1).get() : nullptr) {
    const auto start = Clock::now();
    const uint64_t ticks = __rdtsc();
    while (Clock::now() - start < std::chrono::milliseconds(10)) {
    }
    ns_per_tick_ = std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
                   static_cast<double>(__rdtsc() - ticks);
  }

  // The switch learns where the addresses are: a frame from each, and all of them seen to arrive. A switch may be slow to
  // learn and may lose frames meanwhile, so what has not come after 0.3 s of silence is given up.
  void announce(uint32_t addresses) {
    sizes_.fill(64);
    for (size_t i = 0; i < active_; ++i) {
      announce(i, i ^ 1, i % 2 == 0 ? 1 : addresses);
    }
    ::usleep(20'000);
    settle();
    std::printf("{\"announced\":%u}\n", addresses);
  }

  void run(const Words& words) {
    aim(words.text("pattern", "one-way"));
    set_sizes(words.text("size", "64"));
    set_addresses(static_cast<uint32_t>(words.real("addresses", "1")));
    const double rate = words.real("rate", "0");
    const double seconds = words.real("seconds", "0.1");
    const bool stamp = words.real("stamp", "0") != 0;
    any_ = words.real("any", "0") != 0;
    move(words.real("warm", "0"), rate, stamp);
    latency_.clear();
    not_before_ = __rdtsc();
    const auto start = Clock::now();
    const Counts counts = move(seconds, rate, stamp);
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    const uint64_t late = lanes_.empty() ? 0 : settle();
    report(counts, late, elapsed);
  }

  void wake(uint32_t count, double pause) {
    aim("one-way");
    sizes_.fill(64);
    set_addresses(1);
    latency_.clear();
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; ++i) {
      ::usleep(static_cast<useconds_t>(pause * 1e6));
      spin(20e-6);  // our own core's sleep is not what is measured
      not_before_ = __rdtsc();
      send<true>(lanes_[0], 1);
      const uint64_t end = __rdtsc() + ticks(0.1);
      uint32_t arrived = 0;
      while (arrived == 0 && __rdtsc() < end) {
        arrived = drain<true>();
      }
      lost += arrived == 0 ? 1 : 0;
    }
    std::printf("{\"lost\":%u,", lost);
    print_latency();
    std::printf("}\n");
  }

 private:
  uint64_t ticks(double seconds) const {
    return static_cast<uint64_t>(seconds * 1e9 / ns_per_tick_);
  }
  void spin(double seconds) const {
    for (const uint64_t end = __rdtsc() + ticks(seconds); __rdtsc() < end;) {
    }
  }

  void announce(size_t from, size_t to, uint32_t addresses) {
    if (to >= active_) {
      to = 0;
    }
    const uint64_t destination = address_of(to);
    Lane<Port> lane{ports_[from].get(), address_of(from), destination};
    // The first also shows that the switch moves frames at all.
    sinks_ = {ports_[to].get()};
    order_ = {0};
    next_ = addresses_ = 0;
    for (int tries = 0; send<false>(lane, 1), ::usleep(1000), drain<false>() == 0; ++tries) {
      if (tries == 5000) {
        die("traffic: the switch forwards nothing from port " + std::to_string(from) + " to " +
            std::to_string(to));
      }
    }
    uint32_t arrived = 1;
    for (uint32_t n = 1; n < addresses; ++n) {
      lane.source = address_of(from) | uint64_t{low_bytes(n)} << 24;
      while (send<false>(lane, 1) == 0) {
        arrived += drain<false>();
      }
      if (n % 32 == 0) {
        arrived += drain<false>();
      }
    }
    for (uint64_t quiet = __rdtsc() + ticks(0.3); arrived < addresses && __rdtsc() < quiet;) {
      if (const uint32_t more = drain<false>(); more > 0) {
        arrived += more;
        quiet = __rdtsc() + ticks(0.3);
      }
    }
  }

  void aim(const std::string& pattern) {
    lanes_.clear();
    sinks_.clear();
    const auto lane = [this](size_t from, size_t to) {
      lanes_.push_back({ports_[from].get(), address_of(from), address_of(to)});
      sinks_.push_back(ports_[to].get());
    };
    if (pattern == "receive") {
      for (size_t i = 0; i < active_; ++i) {
        sinks_.push_back(ports_[i].get());
      }
      return;
    }
    if (pattern == "away") {
      lanes_.push_back({ports_[0].get(), address_of(0), address_of(1)});
      return;
    }
    if (pattern == "flood") {
      lanes_.push_back({ports_[0].get(), address_of(0), kBroadcast});
      for (size_t i = 1; i < active_; ++i) {
        sinks_.push_back(ports_[i].get());
      }
      return;
    }
    for (size_t i = 0; i + 1 < active_; i += 2) {
      if (pattern == "back") {
        lane(i + 1, i);
        continue;
      }
      lane(i, i + 1);
      if (pattern == "both-ways") {
        lane(i + 1, i);
      }
    }
  }

  void set_sizes(const std::string& size) {
    if (size == "imix") {
      sizes_ = kImix;
    } else {
      sizes_.fill(std::max(number(size), 24U));
    }
  }

  // A random order that repeats: 2^20 steps of it fit no branch predictor.
  void set_addresses(uint32_t addresses) {
    if (addresses == addresses_ && !order_.empty()) {
      return;
    }
    addresses_ = addresses;
    order_.resize(addresses <= 1 ? 1 : 1 << 20);
    next_ = 0;
    uint64_t state = 88172645463325252;
    for (uint32_t& next : order_) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      next = low_bytes(static_cast<uint32_t>(state % std::max(addresses, 1U)));
    }
  }

  Counts move(double seconds, double rate, bool stamp) {
    if (rate > 0) {
      return stamp ? pace<true>(seconds, rate) : pace<false>(seconds, rate);
    }
    return stamp ? flat_out<true>(seconds) : flat_out<false>(seconds);
  }

  template <bool kStamped>
  Counts flat_out(double seconds) {
    Counts counts;
    for (const uint64_t end = __rdtsc() + ticks(seconds); __rdtsc() < end;) {
      for (int i = 0; i < 16; ++i) {
        for (Lane<Port>& lane : lanes_) {
          counts.sent += send<kStamped>(lane, kBurstSent);
        }
        counts.received += drain<kStamped>();
      }
    }
    counts.offered = counts.sent;
    return counts;
  }

  template <bool kStamped>
  Counts pace(double seconds, double rate) {
    Counts counts;
    const double per_tick = rate * ns_per_tick_ / 1e9;
    uint64_t start = __rdtsc();
    const uint64_t end = start + ticks(seconds);
    size_t turn = 0;
    for (uint64_t now = start; now < end; now = __rdtsc()) {
      const auto due = static_cast<uint64_t>(static_cast<double>(now - start) * per_tick);
      uint64_t debt = due > counts.offered ? due - counts.offered : 0;
      if (debt > kMaxDebt) {
        start += static_cast<uint64_t>(static_cast<double>(debt) / per_tick);
        ++counts.stalls;
        debt = 0;
      }
      while (debt > 0) {
        const auto burst = static_cast<uint32_t>(std::min<uint64_t>(debt, 32));
        counts.sent += send<kStamped>(lanes_[turn], burst);
        turn = turn + 1 == lanes_.size() ? 0 : turn + 1;
        counts.offered += burst;
        debt -= burst;
      }
      counts.received += drain<kStamped>();
    }
    return counts;
  }

  template <bool kStamped>
  uint32_t send(Lane<Port>& lane, uint32_t burst) {
    Port& port = *lane.from;
    const uint64_t now = kStamped ? __rdtsc() : 0;
    const uint64_t middle = lane.source >> 16 | kType << 32;
    // In locals: what is written into a frame could alias the members, as far as the compiler knows.
    const Lane<Port> to = lane;
    const uint32_t* const order = order_.data();
    const size_t steps = order_.size();
    const bool wrapped = &port == far_;
    size_t next = next_;
    size_t size = size_;
    port.look();
    uint32_t sent = 0;
    for (; sent < burst; ++sent) {
      std::byte* frame = port.claim(sizes_[size] + (wrapped ? TunnelEnd::kHeaders : 0));
      if (frame == nullptr) {
        break;
      }
      if (wrapped) {
        frame = tunnel_end_.wrap(frame, sizes_[size]);
      }
      const uint64_t first = to.destination | uint64_t{order[next]} << 24 | to.source << 48;
      std::memcpy(frame, &first, 8);
      std::memcpy(frame + 8, &middle, 8);
      if constexpr (kStamped) {
        std::memcpy(frame + 16, &now, 8);
      }
      size = size + 1 == sizes_.size() ? 0 : size + 1;
      next = next + 1 == steps ? 0 : next + 1;
    }
    port.flush();
    next_ = next;
    size_ = size;
    return sent;
  }

  template <bool kStamped>
  uint32_t drain() {
    uint32_t arrived = 0;
    const uint64_t now = kStamped ? __rdtsc() : 0;
    const bool any = any_;
    for (Port* port : sinks_) {
      const uint32_t headers = port == far_ ? TunnelEnd::kHeaders : 0;
      port->receive([&](const std::byte* outer, uint32_t length) {
        const std::byte* const frame = outer + headers;
        uint64_t middle = 0;
        std::memcpy(&middle, frame + 8, 8);
        bool ours = (middle >> 32 & 0xffff) == kType;
        if (!ours && port == far_) {
          tunnel_end_.answer(*port, outer, length);
        }
        if constexpr (kStamped) {
          uint64_t then = 0;
          std::memcpy(&then, frame + 16, 8);
          ours = ours && then >= not_before_;
          if (ours) {
            latency_.add(now > then ? now - then : 0);
          }
        }
        arrived += ours || any ? 1 : 0;
      });
    }
    return arrived;
  }

  // Takes what is still on its way: until the switch has taken all that was sent, or for 0.3 s (it may be stopped, or its
  // CPU somebody else's), and then nothing comes for two milliseconds.
  uint64_t settle() {
    uint64_t late = 0;
    const uint64_t give_up = __rdtsc() + ticks(0.3);
    uint64_t quiet = 0;
    for (;;) {
      // In this order: what had been taken by the first look has arrived by the second. And looked at before the clock,
      // for between any two lines we may have been away from our CPU for longer than we mean to wait.
      const bool taken = all_taken();
      uint32_t arrived = 0;
      for (size_t i = 0; i < active_; ++i) {
        arrived += ports_[i]->receive([](const std::byte*, uint32_t) {});
      }
      late += arrived;
      const uint64_t now = __rdtsc();
      if (quiet == 0 || arrived > 0 || (!taken && now < give_up)) {
        quiet = now + ticks(0.002);
      } else if (now >= quiet) {
        return late;
      }
    }
  }

  bool all_taken() {
    for (size_t i = 0; i < active_; ++i) {
      if (!ports_[i]->taken()) {
        return false;
      }
    }
    return true;
  }

  void report(const Counts& counts, uint64_t late, double elapsed) const {
    const auto whole = [](uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf(
        "{\"offered\":%llu,\"sent\":%llu,\"received\":%llu,\"late\":%llu,\"stalls\":%u,"
        "\"seconds\":%.6f",
        whole(counts.offered), whole(counts.sent), whole(counts.received), whole(late),
        counts.stalls, elapsed);
    if (latency_.count() > 0) {
      std::printf(",");
      print_latency();
    }
    std::printf("}\n");
  }

  // In nanoseconds.
  void print_latency() const {
    const auto ns = [this](uint64_t t) { return static_cast<double>(t) * ns_per_tick_; };
    std::printf("\"latency\":{\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f,\"histogram\":[",
                ns(latency_.quantile(0.5)), ns(latency_.quantile(0.99)),
                ns(latency_.quantile(0.999)), ns(latency_.largest()));
    const char* comma = "";
    latency_.for_each([&](uint64_t bound, uint64_t count) {
      std::printf("%s[%.0f,%llu]", comma, ns(bound), static_cast<unsigned long long>(count));
      comma = ",";
    });
    std::printf("]}");
  }

  std::vector<std::unique_ptr<Port>> ports_;
  size_t active_;
  Port* const far_;  // at the other end of a tunnel; null: there is none
  const TunnelEnd tunnel_end_;
  double ns_per_tick_ = 1;
  std::vector<Lane<Port>> lanes_;
  std::vector<Port*> sinks_;
  std::array<uint32_t, kImix.size()> sizes_{};
  size_t size_ = 0;
  uint32_t addresses_ = 0;
  std::vector<uint32_t> order_;
  size_t next_ = 0;
  bool any_ = false;  // all that arrives counts
  Histogram latency_;
  uint64_t not_before_ =
      0;  // frames that left earlier are not measured: they waited for another command's end
};

}  // namespace memswitch::bench
