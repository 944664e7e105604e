// net_tap asks the kernel for a real-time signal with each frame, handled by whichever thread it hits: Node's, mostly.
// It takes the first signal that has no handler yet, and does without where all have one (rte_eth_tap.c tun_alloc).
// So, while it opens its descriptors, all have.
#pragma once

#include <csignal>
#include <vector>

namespace memswitch {

class QuietSignals {
 public:
  QuietSignals() {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    for (int number = SIGRTMIN + 1; number < SIGRTMAX; ++number) {
      struct sigaction now = {};
      if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL &&
          ::sigaction(number, &ignore, nullptr) == 0) {
        taken_.push_back(number);
      }
    }
  }
  QuietSignals(const QuietSignals&) = delete;
  QuietSignals& operator=(const QuietSignals&) = delete;
  ~QuietSignals() {
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    for (const int number : taken_) {
      ::sigaction(number, &standard, nullptr);
    }
  }

 private:
  std::vector<int> taken_;
};

}  // namespace memswitch
