// What the address table costs by itself, in nanoseconds an operation: bursts of 64 addresses in random order, all hashes
// and prefetches first, as the poll loop does it (dataplane/learn.cc, look_up.cc). The median of many short rounds.
//
//   tables [seconds a figure, default 0.2]
//
// Prints a line of JSON a figure.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "dataplane/frame.h"
#include "tables/mac_table.h"

using namespace memswitch;

namespace {

using Clock = std::chrono::steady_clock;
using Burst64 = std::array<Mac, kBurst>;
using Hashes = std::array<uint64_t, kBurst>;

Mac address(uint32_t n) {
  return 0x06 | uint64_t{__builtin_bswap32(n)} << 16;
}

// Calls `burst`, which works on kBurst addresses, in rounds of about a millisecond.
template <typename Work>
void measure(const char* operation, uint32_t addresses, double seconds, Work work) {
  constexpr int kBursts = 256;
  std::vector<double> rounds;
  for (const auto end = Clock::now() + std::chrono::duration<double>(seconds);
       Clock::now() < end || rounds.size() < 3;) {
    const auto start = Clock::now();
    for (int i = 0; i < kBursts; ++i) {
      work();
    }
    const auto elapsed = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    rounds.push_back(elapsed / (kBursts * kBurst));
  }
  std::nth_element(rounds.begin(), rounds.begin() + static_cast<long>(rounds.size() / 2),
                   rounds.end());
  std::printf("{\"operation\":\"%s\",\"addresses\":%u,\"ns\":%.3f}\n", operation, addresses,
              rounds[rounds.size() / 2]);
  std::fflush(stdout);
}

class Bench {
 public:
  explicit Bench(uint32_t addresses) : addresses_(addresses), table_(2 * addresses + 1000) {
    std::mt19937 random(1);
    order_.resize(1 << 20);
    for (Mac& mac : order_) {
      mac = address(static_cast<uint32_t>(random() % addresses));
    }
    for (uint32_t n = 0; n < addresses; ++n) {
      table_.learn(address(n), table_.hash(address(n)), 1, quota_, 0);
    }
  }

  void run(double seconds) {
    measure("find", addresses_, seconds, [this] {
      const Mac* burst = next();
      const Hashes hashes = hash(burst);
      for (uint16_t i = 0; i < kBurst; ++i) {
        sum_ += table_.find(burst[i], hashes[i]);
      }
    });
    measure("learn, known", addresses_, seconds, [this] {
      const Mac* burst = next();
      const Hashes hashes = hash(burst);
      for (uint16_t i = 0; i < kBurst; ++i) {
        table_.learn(burst[i], hashes[i], 1, quota_, 0);
      }
    });
    measure("add and remove", addresses_, seconds, [this] {
      Burst64 burst;
      for (uint16_t i = 0; i < kBurst; ++i) {
        burst[i] = address(addresses_ + fresh_++ % 1'000'000);
      }
      const Hashes hashes = hash(burst.data());
      for (uint16_t i = 0; i < kBurst; ++i) {
        table_.learn(burst[i], hashes[i], 1, quota_, 0);
      }
      MacTable::Entry was{};
      for (const Mac mac : burst) {
        table_.remove(mac, was);
        quota_.give_back();
      }
    });
    asm volatile("" ::"r"(sum_));
  }

 private:
  const Mac* next() {
    at_ = at_ + 2 * kBurst > order_.size() ? 0 : at_ + kBurst;
    return &order_[at_];
  }
  Hashes hash(const Mac* burst) const {
    Hashes hashes;
    for (uint16_t i = 0; i < kBurst; ++i) {
      hashes[i] = table_.hash(burst[i]);
      table_.prefetch(hashes[i]);
    }
    return hashes;
  }

  uint32_t addresses_;
  MacTable table_;
  Quota quota_{kMaxMacs};
  std::vector<Mac> order_;
  size_t at_ = 0;
  uint32_t fresh_ = 0;
  uint64_t sum_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 0.2;
  for (const uint32_t addresses : {2U, 1000U, 100'000U, 1'000'000U}) {
    Bench(addresses).run(seconds);
  }
  return 0;
}
