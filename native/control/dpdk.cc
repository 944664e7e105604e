#include "control/dpdk.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace memswitch {

namespace {

constexpr char kObject[] = "memswitch_dpdk.so";

std::atomic<Dpdk*> loaded{nullptr};

// The folder of the file that this code was loaded from.
std::string own_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&load_dpdk), &info) == 0) {
    return ".";
  }
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/'));
}

Status load(Dpdk*& dpdk) {
  const std::string path = own_folder() + "/" + kObject;
  if (::access(path.c_str(), F_OK) != 0) {
    return refuse(Code::kSystem,
                  "Ethernet devices need DPDK, and this build was made without; run: sudo apt-get "
                  "install libdpdk-dev && npm run build");
  }
  // Never unloaded: its threads and memory are the process's. GLOBAL, because drivers that are loaded later look for
  // DPDK's own libraries by name.
  void* const object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  if (object == nullptr) {
    return refuse(Code::kSystem, std::string("DPDK could not be loaded: ") + ::dlerror() +
                                     "; run: sudo apt-get install libdpdk-dev && npm run build");
  }
  const auto entry = reinterpret_cast<DpdkEntry>(::dlsym(object, kDpdkEntry));
  dpdk = entry == nullptr ? nullptr : entry(kDpdkContract);
  return dpdk != nullptr ? Status{}
                         : refuse(Code::kSystem,
                                  path + " is of another build of memswitch; run: npm run build");
}

}  // namespace

Status load_dpdk(Dpdk*& dpdk) {
  static std::mutex lock;
  const std::lock_guard guard(lock);
  dpdk = loaded.load();
  if (dpdk != nullptr) {
    return {};
  }
  Status status = load(dpdk);
  loaded.store(dpdk);
  return status;
}

Dpdk* loaded_dpdk() {
  return loaded.load();
}

}  // namespace memswitch
