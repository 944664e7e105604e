#include "dataplane/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace memswitch {

Worker::Worker(uint16_t number, Shared& everything, PortCounters* of_ports, WorkerCounters& own)
    : index(number),
      shared(everything),
      port_counters(of_ports),
      counters(own),
      sleep_fd(::epoll_create1(EPOLL_CLOEXEC)),
      mailbox_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u32 = kMailboxSlot}};
  ::epoll_ctl(sleep_fd.get(), EPOLL_CTL_ADD, mailbox_fd.get(), &event);
}

}  // namespace memswitch
