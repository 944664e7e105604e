// The CPU of a worker's thread; another one while it runs, if wanted. The thread is not ours: when it leaves it gets back
// the CPUs it came with.
#pragma once

#include <sched.h>

#include <mutex>

namespace memswitch {

class Pin {
 public:
  // The calling thread is at that CPU from now on. False and errno: it cannot be there.
  [[nodiscard]] bool enter();
  void leave();
  // Any thread: another CPU, at once if a thread is in; -1: where it likes. False and errno: it stays where it is.
  [[nodiscard]] bool move(int cpu);
  [[nodiscard]] int cpu();

 private:
  [[nodiscard]] bool put(int cpu) const;

  std::mutex lock_;
  int cpu_ = -1;
  pid_t thread_ = 0;  // 0: none
  cpu_set_t before_{};
};

}  // namespace memswitch
