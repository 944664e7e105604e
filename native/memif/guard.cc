#include "memif/guard.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>
#include <utility>

namespace memswitch::memif {

namespace {

// Read by the signal handler at any moment, so places are never freed, only reused. The base is written last and
// cleared first.
struct Place {
  std::atomic<uintptr_t> base{0};
  std::atomic<size_t> size{0};
  std::atomic<bool> lost{false};
};

constexpr size_t kPlaces = 16384;  // four regions for each of the most ports
std::array<Place, kPlaces> places;
std::atomic<size_t> used{0};  // no place at or above it was ever taken
std::atomic<uint64_t> losses_so_far{0};
std::mutex changes;  // of who takes which place; the handler needs none
struct sigaction before;

Place* place_of(uintptr_t address) {
  const size_t count = used.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    const uintptr_t base = places[i].base.load(std::memory_order_acquire);
    if (base != 0 && address - base < places[i].size.load(std::memory_order_relaxed)) {
      return &places[i];
    }
  }
  return nullptr;
}

// In the faulting thread. Only system calls and atomics.
void on_bus_error(int signal, siginfo_t* info, void*) {
  const bool is_access = info->si_code > 0;  // else somebody sent it
  Place* place = is_access ? place_of(reinterpret_cast<uintptr_t>(info->si_addr)) : nullptr;
  if (place == nullptr) {
    ::sigaction(SIGBUS, &before, nullptr);
    if (!is_access) {
      ::raise(signal);  // meets the former handler, as the access does, which is repeated
    }
    return;
  }
  void* base = reinterpret_cast<void*>(place->base.load(std::memory_order_relaxed));
  // All of it: what is left of the file may go as well, and one fault a region is enough.
  if (::mmap(base, place->size.load(std::memory_order_relaxed), PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
    // The access is repeated and ends the process: without this it would fault here for ever.
    ::sigaction(SIGBUS, &before, nullptr);
    return;
  }
  place->lost.store(true, std::memory_order_release);
  losses_so_far.fetch_add(1, std::memory_order_release);
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &before);
  });
}

}  // namespace

Guard::Guard(void* base, size_t size) {
  install();
  const std::lock_guard lock(changes);
  for (size_t i = 0; i < kPlaces; ++i) {
    Place& place = places[i];
    if (place.base.load(std::memory_order_relaxed) == 0) {
      place.size.store(size, std::memory_order_relaxed);
      place.lost.store(false, std::memory_order_relaxed);
      place.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
      place_ = static_cast<int>(i);
      if (i >= used.load(std::memory_order_relaxed)) {
        used.store(i + 1, std::memory_order_release);
      }
      return;
    }
  }
}

Guard::Guard(Guard&& other) noexcept : place_(std::exchange(other.place_, -1)) {}

Guard& Guard::operator=(Guard&& other) noexcept {
  std::swap(place_, other.place_);
  return *this;
}

Guard::~Guard() {
  if (holds()) {
    places[static_cast<size_t>(place_)].base.store(0, std::memory_order_release);
  }
}

bool Guard::lost() const {
  return holds() && places[static_cast<size_t>(place_)].lost.load(std::memory_order_acquire);
}

uint64_t Guard::losses() {
  return losses_so_far.load(std::memory_order_acquire);
}

}  // namespace memswitch::memif
