#include "binding/handover.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <memory>

#include "binding/convert.h"
#include "binding/switch_object.h"

namespace memswitch::binding {

namespace {

std::string socket_path(const Napi::Value& value) {
  return text(value, "socket", sizeof(sockaddr_un::sun_path) - 1);
}

class Arrival final : public Napi::AsyncWorker {
 public:
  Arrival(Napi::Env env, std::shared_ptr<const UniqueFd> listener)
      : Napi::AsyncWorker(env),
        promise_(Napi::Promise::Deferred::New(env)),
        listener_(std::move(listener)) {}

  [[nodiscard]] Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override { status_ = receive_handover(*listener_, *handover_); }

  void OnOK() override {
    try {
      check(Env(), status_);
      const std::string& note = handover_->note;
      Napi::Object result = Napi::Object::New(Env());
      result.Set("note", Napi::Buffer<char>::Copy(Env(), note.data(), note.size()));
      result.Set("heritage", Napi::External<Handover>::New(
                                 Env(), handover_.release(), [](Napi::BasicEnv, Handover* unused) {
                                   const std::unique_ptr<Handover> gone(unused);
                                 }));
      promise_.Resolve(result);
    } catch (const Napi::Error& error) {
      promise_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred promise_;
  const std::shared_ptr<const UniqueFd> listener_;
  std::unique_ptr<Handover> handover_ = std::make_unique<Handover>();
  Status status_;
};

// Waits from now on, at a socket that is there when this returns.
Napi::Value receive(const Napi::CallbackInfo& info) {
  UniqueFd made;
  check(info.Env(), await_handover(socket_path(info[0]), made));
  auto listener = std::make_shared<const UniqueFd>(std::move(made));
  // Node deletes it when it has called OnOK().
  auto arrival = std::make_unique<Arrival>(info.Env(), listener);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("arrival", arrival->promise());
  result.Set("cancel", Napi::Function::New(info.Env(), [listener](const Napi::CallbackInfo&) {
               // Whoever waits at it is woken, and finds nobody.
               ::shutdown(listener->get(), SHUT_RDWR);
             }));
  arrival.release()->Queue();
  return result;
}

}  // namespace

void define_handover(Napi::Env env, Napi::Object exports) {
  exports.Set("receiveHandover", Napi::Function::New(env, receive, "receiveHandover"));
}

void SwitchObject::hand_over(const Napi::CallbackInfo& info) {
  const auto note = info[1].As<Napi::Buffer<char>>();
  check(info.Env(), switch_->hand_over(socket_path(info[0]), {note.Data(), note.Length()}));
}

// The heritage is empty afterwards.
void SwitchObject::inherit(const Napi::CallbackInfo& info) {
  switch_->inherit(std::move(*info[0].As<Napi::External<Handover>>().Data()));
}

Napi::Value SwitchObject::adopt(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), switch_->adopt());
}

}  // namespace memswitch::binding
