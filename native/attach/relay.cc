#include "attach/relay.h"

#include <linux/if_tun.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdio>

#include "control/netns.h"

namespace memswitch {

using memif::Fault;

Relay::Relay(TapOptions tap, EndpointOptions endpoint)
    : tap_options_(std::move(tap)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      changed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      endpoint_(std::move(endpoint), *this) {}

Status Relay::open() {
  Status status = in_namespace(tap_options_.netns, [this] { return open_tap(tap_options_, tap_); });
  if (!status.ok()) {
    return status;
  }
  set_carrier(false);
  watch(tap_.get());
  watch(changed_.get());
  return endpoint_.open();
}

// Once for each change: everything is looked at before we sleep.
void Relay::watch(int fd) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

// Kernels before 4.20 have none to set; then it is always there.
void Relay::set_carrier(bool carrier) {
  int value = carrier ? 1 : 0;
  ::ioctl(tap_.get(), TUNSETCARRIER, &value);
}

// --- the control thread --------------------------------------------------------------------------------------------

void Relay::up(std::shared_ptr<EndpointLink> link) {
  const std::string text = "link up, peer " + link->peer();
  change(std::move(link), text);
}

void Relay::down(const std::string& reason) {
  change(nullptr, "link down: " + reason);
}

void Relay::change(std::shared_ptr<EndpointLink> link, const std::string& text) {
  {
    const std::lock_guard guard(lock_);
    next_ = std::move(link);
  }
  std::fprintf(stderr, "memswitch attach: %s: %s\n", tap_options_.interface.c_str(), text.c_str());
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(changed_.get(), &one, sizeof one);
}

// --- moving frames -------------------------------------------------------------------------------------------------

Status Relay::run(int stop_fd) {
  stop_fd_ = stop_fd;
  watch(stop_fd);
  bool goes_on = true;
  while (goes_on && !is_gone_) {
    take_link();
    bool moved = false;
    if (link_) {
      moved = to_kernel();
      moved = to_switch() || moved;
    }
    goes_on = moved || sleep();
  }
  endpoint_.close();
  return is_gone_
             ? refuse(Code::kNotFound, "the interface " + tap_options_.interface + " was deleted")
             : Status{};
}

void Relay::take_link() {
  std::shared_ptr<EndpointLink> now;
  {
    const std::lock_guard guard(lock_);
    now = next_;
  }
  if (now == link_) {
    return;
  }
  if (link_) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link_->rx_doorbell(0), nullptr);
  }
  link_ = std::move(now);
  is_full_ = false;
  if (link_) {
    watch(link_->rx_doorbell(0));
  }
  set_carrier(link_ != nullptr);
}

bool Relay::to_switch() {
  if (const Fault fault = link_->reserve(0, kBurst, places_); fault != Fault::kNone) {
    endpoint_.fail(fault);
    return false;
  }
  is_full_ = places_.empty();
  lengths_.clear();
  bool moved = false;
  while (lengths_.size() < places_.size()) {
    const EndpointLink::Place& place = places_[lengths_.size()];
    // What is longer than the buffer shows in the length.
    std::byte more[1];
    const iovec pieces[] = {{link_->at(place), place.length}, {more, sizeof more}};
    const ssize_t length = ::readv(tap_.get(), pieces, 2);
    if (length <= 0) {
      is_gone_ = length < 0 && errno == EBADFD;
      break;
    }
    moved = true;
    if (static_cast<size_t>(length) > place.length) {
      ++totals_.dropped;
    } else {
      lengths_.push_back(static_cast<uint32_t>(length));
    }
  }
  totals_.to_switch += lengths_.size();
  link_->commit(0, lengths_);
  return moved;
}

bool Relay::to_kernel() {
  if (const Fault fault = link_->receive(0, burst_); fault != Fault::kNone) {
    endpoint_.fail(fault);
  }
  for (uint16_t i = 0; i < burst_.count; ++i) {
    write_frame(burst_.frames[i]);
  }
  link_->release(0, burst_);
  return burst_.count > 0;
}

void Relay::write_frame(const Frame& frame) {
  std::array<iovec, kMaxSegments + 1> pieces;
  pieces[0] = {const_cast<std::byte*>(frame.data), frame.first_length};
  for (uint16_t s = 0; s < frame.segments; ++s) {
    const Segment& piece = burst_.pieces[frame.segment + s];
    pieces[s + 1U] = {const_cast<std::byte*>(piece.data), piece.length};
  }
  if (::writev(tap_.get(), pieces.data(), 1 + frame.segments) < 0) {
    ++totals_.dropped;
    is_gone_ = is_gone_ || errno == EBADFD;
  } else {
    ++totals_.to_kernel;
  }
}

bool Relay::sleep() {
  if (link_ && link_->arm(0)) {
    link_->disarm(0);
    return true;
  }
  // A peer tells nobody that there is room again.
  const int timeout_ms = is_full_ ? 1 : -1;
  std::array<epoll_event, 4> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  bool goes_on = true;
  for (int i = 0; i < count; ++i) {
    goes_on = goes_on && events[static_cast<size_t>(i)].data.fd != stop_fd_;
  }
  pollfd tap{.fd = tap_.get(), .events = 0, .revents = 0};
  is_gone_ = ::poll(&tap, 1, 0) > 0 && (tap.revents & POLLERR) != 0;
  if (link_) {
    link_->disarm(0);
  }
  return goes_on;
}

}  // namespace memswitch
