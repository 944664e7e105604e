#include "control/expression.h"

#include <dlfcn.h>

#include <memory>
#include <mutex>
#include <span>

namespace memswitch {

namespace {

// As pcap/pcap.h and pcap/bpf.h declare it: an interface that has not changed since libpcap 0.8, so that building the
// switch needs no headers of it.
struct Program {
  unsigned length;
  FilterStep* steps;
};

struct Libpcap {
  void* (*open_dead)(int link_type, int snaplen);
  int (*compile)(void* handle, Program* program, const char* expression, int optimize,
                 uint32_t netmask);
  char* (*error)(void* handle);
  void (*free_program)(Program* program);
  void (*close)(void* handle);
};

constexpr int kEthernet = 1;  // DLT_EN10MB
constexpr uint32_t kNetmaskUnknown = UINT32_MAX;

template <typename Function>
bool find(void* object, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(object, name));
  return function != nullptr;
}

std::unique_ptr<const Libpcap> load() {
  void* object = nullptr;
  for (const char* name : {"libpcap.so.0.8", "libpcap.so.1", "libpcap.so"}) {
    if (object == nullptr) {
      object = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
  }
  Libpcap pcap{};
  const bool whole =
      object != nullptr && find(object, "pcap_open_dead", pcap.open_dead) &&
      find(object, "pcap_compile", pcap.compile) && find(object, "pcap_geterr", pcap.error) &&
      find(object, "pcap_freecode", pcap.free_program) && find(object, "pcap_close", pcap.close);
  return whole ? std::make_unique<const Libpcap>(pcap) : nullptr;
}

}  // namespace

Status compile_filter(const std::string& expression, uint32_t snaplen,
                      std::vector<FilterStep>& program) {
  static const std::unique_ptr<const Libpcap> pcap = load();
  if (!pcap) {
    return refuse(Code::kSystem,
                  "filters need libpcap, which is not installed; run: sudo apt-get install "
                  "libpcap0.8, or capture without --filter");
  }
  // Before libpcap 1.8 its compiler was of one thread at a time.
  static std::mutex turn;
  const std::lock_guard guard(turn);
  const std::unique_ptr<void, void (*)(void*)> handle(
      pcap->open_dead(kEthernet, static_cast<int>(snaplen)), pcap->close);
  Program compiled{};
  if (!handle) {
    return refuse(Code::kSystem, "libpcap has no memory left");
  }
  if (pcap->compile(handle.get(), &compiled, expression.c_str(), 1, kNetmaskUnknown) != 0) {
    return refuse(Code::kInvalid, std::string("filter: ") + pcap->error(handle.get()) +
                                      "; the syntax is tcpdump's: man 7 pcap-filter");
  }
  program.assign(compiled.steps, compiled.steps + compiled.length);
  pcap->free_program(&compiled);
  if (const char* mistake = Filter::mistake(program)) {
    return refuse(Code::kInvalid, std::string("filter: its program cannot be run: ") + mistake);
  }
  return {};
}

}  // namespace memswitch
