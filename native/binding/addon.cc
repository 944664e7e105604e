// The addon's exports: see switch/native.ts. Loaded once in the main thread and once in each worker thread.
#include <napi.h>
#include <sys/un.h>

#include "binding/convert.h"
#include "binding/endpoint_object.h"
#include "binding/handover.h"
#include "binding/interfaces.h"
#include "binding/registry.h"
#include "binding/switch_object.h"
#include "binding/watching.h"
#include "control/crash.h"
#include "control/dpdk.h"
#include "control/notify.h"
#include "dataplane/pollset.h"

namespace memswitch::binding {

namespace {

// Blocks the calling JavaScript thread, which is a worker's, for the worker's whole life.
void run_worker(const Napi::CallbackInfo& info) {
  const auto token = static_cast<uint32_t>(number(info[0], "token", 0, UINT32_MAX));
  const auto worker = static_cast<size_t>(number(info[1], "worker", 0, kMaxWorkers - 1));
  const std::shared_ptr<Switch> one = enrolled(token);
  if (!one) {
    check(info.Env(), refuse(Code::kClosed, "the switch is closed"));
    return;
  }
  if (worker >= one->workers().size()) {
    check(info.Env(), refuse(Code::kNotFound, "no such worker"));
  }
  check(info.Env(), one->workers().run(worker));
}

// Buffers of devices: how many pools there are, and how many buffers are out of them. Zero before the first device.
Napi::Value device_buffers(const Napi::CallbackInfo& info) {
  uint32_t pools = 0;
  uint32_t used = 0;
  if (Dpdk* dpdk = loaded_dpdk()) {
    dpdk->sweep(pools, used);
  }
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("pools", pools);
  object.Set("used", used);
  return object;
}

void install_crash_handler(const Napi::CallbackInfo& info) {
  memswitch::install_crash_handler(text(info[0], "prefix", 15));
}

void name_port(const Napi::CallbackInfo& info) {
  memswitch::name_port(static_cast<PortId>(number(info[0], "port", 1, kMaxPorts - 1)),
                       text(info[1], "name", 255));
}

void notify_supervisor(const Napi::CallbackInfo& info) {
  const std::string socket = text(info[0], "socket", sizeof(sockaddr_un::sun_path) - 1);
  check(info.Env(), memswitch::notify_supervisor(socket, text(info[1], "text", 4096)));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Switch", SwitchObject::define(env));
  exports.Set("Endpoint", EndpointObject::define(env));
  exports.Set("runWorker", Napi::Function::New(env, run_worker, "runWorker"));
  exports.Set("stopAll", Napi::Function::New(
                             env, [](const Napi::CallbackInfo&) { stop_all(); }, "stopAll"));
  exports.Set("deviceBuffers", Napi::Function::New(env, device_buffers, "deviceBuffers"));
  define_interfaces(env, exports);
  exports.Set("installCrashHandler",
              Napi::Function::New(env, install_crash_handler, "installCrashHandler"));
  exports.Set("namePort", Napi::Function::New(env, name_port, "namePort"));
  exports.Set("notifySupervisor", Napi::Function::New(env, notify_supervisor, "notifySupervisor"));
  exports.Set("cyclesPerSecond", Napi::Function::New(
                                     env,
                                     [](const Napi::CallbackInfo& info) {
                                       return Napi::Number::New(
                                           info.Env(), static_cast<double>(cycles_per_second()));
                                     },
                                     "cyclesPerSecond"));
  define_watching(env, exports);
  define_handover(env, exports);
  exports.Set("layout", layout(env));
  exports.Set("limits", limits(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(memswitch, init)

}  // namespace memswitch::binding
