// The control thread: waits on sockets and eventfds and calls back. One a switch, so that a flood of connections or
// a busy JavaScript thread delays neither the other. It touches no frame.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "memif/fd.h"

namespace memswitch {

class Reactor {
 public:
  using Callback = std::function<void()>;

  // Callbacks and ticks run with `lock` held; whoever calls watch() or unwatch() holds it too.
  explicit Reactor(std::mutex& lock);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor() { stop(); }

  // Starts the thread. `tick` is called every kTick_ms at least, and after each batch of callbacks.
  void start(Callback tick);
  // Ends and joins the thread. Idempotent.
  void stop();

  // Calls back when `fd` is readable or has hung up, as long as it stays so.
  // `on_change`: only once for each time it becomes so, and nobody need read it; for an eventfd that a peer shares.
  void watch(int fd, Callback callback, bool on_change = false);
  void unwatch(int fd);

 private:
  static constexpr int kTick_ms = 100;

  void run();

  std::mutex& lock_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::unordered_map<int, Callback> watched_;
  Callback tick_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace memswitch
