// The class NativeSwitch of switch/native.ts. It holds the switch; JavaScript's garbage collector may take it at any
// time, also in the middle of traffic, and the switch closes then.
#pragma once

#include <napi.h>

#include <memory>

#include "control/switch.h"

namespace memswitch::binding {

class SwitchObject final : public Napi::ObjectWrap<SwitchObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit SwitchObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override;

 private:
  Napi::Value token(const Napi::CallbackInfo& info);
  Napi::Value add_bridge(const Napi::CallbackInfo& info);
  void set_bridge(const Napi::CallbackInfo& info);
  void remove_bridge(const Napi::CallbackInfo& info);
  Napi::Value bridge_macs(const Napi::CallbackInfo& info);
  Napi::Value add_port(const Napi::CallbackInfo& info);
  void set_port(const Napi::CallbackInfo& info);
  void set_policy(const Napi::CallbackInfo& info);
  void set_polling(const Napi::CallbackInfo& info);
  void remove_port(const Napi::CallbackInfo& info);
  Napi::Value port_states(const Napi::CallbackInfo& info);
  Napi::Value read_ports(const Napi::CallbackInfo& info);
  Napi::Value macs(const Napi::CallbackInfo& info);
  Napi::Value relearn(const Napi::CallbackInfo& info);
  Napi::Value find_mac(const Napi::CallbackInfo& info);
  void add_static_mac(const Napi::CallbackInfo& info);
  Napi::Value remove_mac(const Napi::CallbackInfo& info);
  Napi::Value flush_macs(const Napi::CallbackInfo& info);
  Napi::Value remotes_of(const Napi::CallbackInfo& info);
  Napi::Value tunnels(const Napi::CallbackInfo& info);
  void add_remote(const Napi::CallbackInfo& info);
  void remove_remote(const Napi::CallbackInfo& info);
  Napi::Value add_capture(const Napi::CallbackInfo& info);
  Napi::Value read_capture(const Napi::CallbackInfo& info);
  void remove_capture(const Napi::CallbackInfo& info);
  Napi::Value captures(const Napi::CallbackInfo& info);
  Napi::Value explain(const Napi::CallbackInfo& info);
  Napi::Value add_mirror(const Napi::CallbackInfo& info);
  void join_mirror(const Napi::CallbackInfo& info);
  void remove_mirror(const Napi::CallbackInfo& info);
  Napi::Value mirrors(const Napi::CallbackInfo& info);
  Napi::Value port_counters(const Napi::CallbackInfo& info);
  Napi::Value worker_counters(const Napi::CallbackInfo& info);
  Napi::Value add_worker(const Napi::CallbackInfo& info);
  void set_worker(const Napi::CallbackInfo& info);
  void remove_worker(const Napi::CallbackInfo& info);
  Napi::Value worker_states(const Napi::CallbackInfo& info);
  void spread_queues(const Napi::CallbackInfo& info);
  void set_placement(const Napi::CallbackInfo& info);
  void move_queue(const Napi::CallbackInfo& info);
  void place_port(const Napi::CallbackInfo& info);
  void hand_over(const Napi::CallbackInfo& info);
  void inherit(const Napi::CallbackInfo& info);
  Napi::Value adopt(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  void end();
  Napi::Value counters_view(Napi::Env env, void* memory, size_t bytes);

  // Shared with the function below: when the thread of JavaScript ends, that one goes first, and nobody may call it then.
  struct Shared {
    std::shared_ptr<Switch> control;
    bool is_deaf = false;  // the function has gone
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::shared_ptr<Switch> switch_;
  uint32_t token_ = 0;
  Napi::ThreadSafeFunction tell_;
  bool ended_ = false;
};

}  // namespace memswitch::binding
