#include "control/reactor.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <csignal>

namespace memswitch {

Reactor::Reactor(std::mutex& lock)
    : lock_(lock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Reactor::start(Callback tick) {
  tick_ = std::move(tick);
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_.get()}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  // Signals are for the threads that expect them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Reactor::run() {
  pthread_setname_np(pthread_self(), "msw-control");
  std::array<epoll_event, 64> events;
  while (!stop_.load()) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kTick_ms);
    const std::lock_guard guard(lock_);
    for (int i = 0; i < count; ++i) {
      // Looked up by number and copied: a callback may end its own watch, or that of a later event.
      const auto watched = watched_.find(events[static_cast<size_t>(i)].data.fd);
      if (watched != watched_.end()) {
        const Callback callback = watched->second;
        callback();
      }
    }
    tick_();
  }
}

void Reactor::stop() {
  if (thread_.joinable()) {
    stop_.store(true);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
  }
}

void Reactor::watch(int fd, Callback callback, bool on_change) {
  watched_[fd] = std::move(callback);
  epoll_event event{.events = on_change ? EPOLLIN | EPOLLET : EPOLLIN, .data = {.fd = fd}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Reactor::unwatch(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(fd);
}

}  // namespace memswitch
