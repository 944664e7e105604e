#include "memif/doorbell.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "memif/fd.h"

namespace memswitch::memif {

namespace {

// The head of the completion ring that io_setup(2) maps into the process; fs/aio.c of Linux, unchanged since 2.5.
struct CompletionRing {
  uint32_t id;
  uint32_t size;
  uint32_t head;  // the reader's
  uint32_t tail;  // the kernel's
};

// A thread's own.
class Ringer {
 public:
  Ringer() : ready_(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!ready_ || ::syscall(SYS_io_setup, 8, &context_) != 0) {
      context_ = 0;
    }
  }
  Ringer(const Ringer&) = delete;
  Ringer& operator=(const Ringer&) = delete;
  ~Ringer() {
    if (context_ != 0) {
      ::syscall(SYS_io_destroy, context_);
    }
  }

  bool ring(int doorbell) {
    if (context_ == 0) {
      return false;
    }
    iocb request{};
    request.aio_fildes = static_cast<uint32_t>(ready_.get());
    request.aio_lio_opcode = IOCB_CMD_POLL;
    request.aio_buf = POLLIN;
    request.aio_flags = IOCB_FLAG_RESFD;
    request.aio_resfd = static_cast<uint32_t>(doorbell);
    iocb* list = &request;
    const bool rung = ::syscall(SYS_io_submit, context_, 1, &list) == 1;
    // It is done already; nobody waits for what it says.
    auto* completions = reinterpret_cast<CompletionRing*>(context_);
    const uint32_t tail = std::atomic_ref<uint32_t>(completions->tail).load();
    std::atomic_ref<uint32_t>(completions->head).store(tail);
    return rung;
  }

 private:
  UniqueFd ready_;
  aio_context_t context_ = 0;
};

// Made at the first call.
Ringer& ringer() {
  thread_local Ringer own;
  return own;
}

}  // namespace

void prepare_doorbells() {
  static_cast<void>(ringer());
}

void ring_doorbell(int doorbell) {
  if (ringer().ring(doorbell)) [[likely]] {
    return;
  }
  pollfd entry{.fd = doorbell, .events = POLLOUT, .revents = 0};
  if (::poll(&entry, 1, 0) == 1) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(doorbell, &one, sizeof one);
  }
}

}  // namespace memswitch::memif
