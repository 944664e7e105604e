#include "ports/tap.h"

#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "dataplane/fate.h"

namespace memswitch {

// --- receive -------------------------------------------------------------------------------------------------------

TapRxQueue::TapRxQueue(TapPort& port, int fd)
    : RxQueue(port),
      tap_(port),
      fd_(fd),
      buffers_(std::make_unique_for_overwrite<std::byte[]>(kBurst * kStride)) {}

bool TapRxQueue::receive(Burst& burst) {
  uint16_t count = 0;
  for (; count < kBurst; ++count) {
    std::byte* const data = buffers_.get() + count * kStride;
    const ssize_t length = ::read(fd_, data, kLongest);
    if (length <= 0) {
      if (length < 0 && errno == EBADFD) [[unlikely]] {
        tap_.found_gone();
      }
      break;
    }
    burst.frames[count] = {.data = data,
                           .buffer = nullptr,
                           .length = static_cast<uint32_t>(length),
                           .first_length = static_cast<uint32_t>(length),
                           .segment = 0,
                           .segments = 0};
  }
  burst.count = burst.slots = count;
  burst.segments = 0;
  if (count > 0) {
    tap_.found_up();
  }
  return count > 0;
}

bool TapRxQueue::arm() {
  pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
  ::poll(&entry, 1, 0);
  if ((entry.revents & POLLERR) != 0) [[unlikely]] {
    // Awake only for the control thread to take the queue away.
    tap_.found_gone();
  }
  return entry.revents != 0;
}

// --- transmit ------------------------------------------------------------------------------------------------------

namespace {

// The frame's beginning from the snapshot that was classified, the rest from where the frame lies. Returns the pieces
// used; 0: the frame has too many.
int gather(const Burst& burst, uint8_t index, std::span<iovec> pieces) {
  const Frame& frame = burst.frames[index];
  uint32_t skip = std::min(frame.length, kHeaderBytes);
  pieces[0] = {const_cast<std::byte*>(burst.headers[index].data()), skip};
  size_t used = 1;
  const auto add = [&](const std::byte* data, uint32_t length) {
    const uint32_t skipped = std::min(skip, length);
    skip -= skipped;
    if (length > skipped) {
      pieces[used++] = {const_cast<std::byte*>(data) + skipped, length - skipped};
    }
  };
  if (frame.segments + size_t{2} > pieces.size()) {
    return 0;
  }
  add(frame.data, frame.first_length);
  for (uint16_t s = 0; s < frame.segments; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    add(piece.data, piece.length);
  }
  return static_cast<int>(used);
}

}  // namespace

// Several workers may write at once: the kernel takes each frame as a whole.
void TapPort::transmit(Burst& burst, std::span<const uint8_t> which, uint16_t /*worker*/,
                       PortCounters& counters) {
  std::array<iovec, kMaxSegments + 2> pieces;
  uint64_t frames = 0;
  uint64_t bytes = 0;
  for (const uint8_t index : which) {
    const int count = gather(burst, index, pieces);
    if (count == 0) [[unlikely]] {
      drop(burst, index, Drop::kNoRoom, counters);
    } else if (::writev(fd_.get(), pieces.data(), count) < 0) [[unlikely]] {
      drop(burst, index, failed(errno), counters);
    } else {
      ++frames;
      bytes += burst.frames[index].length;
    }
  }
  counters.tx_frames.add(frames);
  counters.tx_bytes.add(bytes);
}

Drop TapPort::failed(int error) {
  switch (error) {
    case EIO:  // the interface is down; tun_get_user()
      if (up_.exchange(false)) {
        alarm();
      }
      return Drop::kLinkDown;
    case EBADFD:
      found_gone();
      return Drop::kLinkDown;
    case EINVAL:  // shorter than an Ethernet header, or longer than the kernel takes
      return Drop::kNoRoom;
    default:
      return Drop::kRingFull;
  }
}

// --- the interface -------------------------------------------------------------------------------------------------

TapPort::TapPort(PortId id, Bridge* home, uint32_t mac_limit, UniqueFd fd, uint16_t mtu,
                 int alarm_fd)
    : DevicePort(id, home, mac_limit),
      fd_(std::move(fd)),
      mtu_(mtu),
      alarm_fd_(alarm_fd),
      queue_(*this, fd_.get()),
      all_{&queue_},
      queues_(all_) {}

void TapPort::alarm() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(alarm_fd_, &one, sizeof one);
}

void TapPort::found_up() {
  if (!seen_up()) [[unlikely]] {
    set_up(true);
    alarm();
  }
}

void TapPort::found_gone() {
  if (!gone_.exchange(true)) {
    alarm();
  }
}

// By the file, wherever the interface is by now and whatever it is called. tun_chr_poll(): writable only while it is up,
// an error once it is deleted.
DeviceState TapPort::state() {
  pollfd entry{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
  const bool known = fd_ && ::poll(&entry, 1, 0) >= 0;
  if (known && (entry.revents & POLLERR) != 0) {
    set_gone();
  }
  DeviceState state{.link = known && (entry.revents & POLLOUT) != 0,
                    .mtu = mtu_,
                    .queues = 1,
                    .wake = Wake::kDescriptor,
                    .driver = "tun"};
  set_up(state.link);
  ifreq ask{};
  if (known && ::ioctl(fd_.get(), TUNGETIFF, &ask) == 0) {
    state.name = ask.ifr_name;  // the kernel ends it with NUL
  }
  if (known && ::ioctl(fd_.get(), SIOCGIFHWADDR, &ask) == 0) {
    for (size_t i = 0; i < 6; ++i) {
      state.mac = state.mac << 8 | static_cast<uint8_t>(ask.ifr_hwaddr.sa_data[i]);
    }
  }
  return state;
}

}  // namespace memswitch
