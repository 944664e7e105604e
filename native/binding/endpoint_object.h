// The class NativeEndpoint of switch/native.ts: one end of a memif connection, moved by JavaScript. Regions of the peer's
// and our memory are lent to JavaScript as array buffers, which keep the link's memory for as long as anybody looks at it.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "control/endpoint.h"

namespace memswitch::binding {

class EndpointObject final : public Napi::ObjectWrap<EndpointObject>, private Endpoint::Listener {
 public:
  static Napi::Function define(Napi::Env env);

  explicit EndpointObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override;

 private:
  // What the control thread tells JavaScript.
  struct Event {
    enum class Kind { kUp, kDown, kFrames };
    Kind kind;
    size_t queue = 0;
    std::string reason{};
    std::shared_ptr<EndpointLink> link{};
  };

  void up(std::shared_ptr<EndpointLink> link) override;
  void down(const std::string& reason) override;
  void frames(size_t queue) override;
  void tell(Event event);
  static void call_back(Napi::Env env, Napi::Function callback, Event* raw);

  void open(const Napi::CallbackInfo& info);
  void set_referenced(const Napi::CallbackInfo& info);
  Napi::Value adopt(const Napi::CallbackInfo& info);
  Napi::Value receive(const Napi::CallbackInfo& info);
  Napi::Value joined(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Napi::Value arm(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value reserve(const Napi::CallbackInfo& info);
  void commit(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  size_t queue_of(const Napi::Value& value) const;
  Napi::Array regions(Napi::Env env);
  void end();

  // Shared with the function below: when the thread of JavaScript ends, that one goes first, and nobody may call it then.
  struct Shared {
    std::unique_ptr<Endpoint> endpoint;
    bool is_deaf = false;  // the function has gone
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::shared_ptr<EndpointLink> link_;            // JavaScript's; null: down
  std::vector<std::unique_ptr<Burst>> received_;  // by queue
  Burst out_;
  std::vector<EndpointLink::Place> places_;
  Napi::ThreadSafeFunction tell_;
  bool ended_ = false;
};

}  // namespace memswitch::binding
