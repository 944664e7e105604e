// What JavaScript does with workers and queues: methods of SwitchObject.
#include "binding/convert.h"
#include "binding/switch_object.h"

namespace memswitch::binding {

namespace {

uint16_t worker_number(const Napi::Value& value) {
  return static_cast<uint16_t>(number(value, "worker", 0, kMaxWorkers - 1));
}

const char* name_of(Polling polling) {
  return polling == Polling::kBusy        ? "busy"
         : polling == Polling::kInterrupt ? "interrupt"
                                          : "adaptive";
}

Napi::Object queue_state(Napi::Env env, const QueueState& queue) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("port", queue.port);
  object.Set("queue", queue.queue);
  object.Set("frames", Napi::BigInt::New(env, queue.frames));
  object.Set("load", queue.load);
  object.Set("byHand", queue.by_hand);
  return object;
}

Napi::Object worker_state(Napi::Env env, const WorkerState& worker) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("worker", worker.number);
  object.Set("cpu", worker.cpu);
  object.Set("node", worker.node);
  object.Set("polling", name_of(worker.polling));
  object.Set("busy", worker.busy);
  object.Set("framesPerBurst", worker.frames_per_burst);
  object.Set("cyclesPerFrame", worker.cycles_per_frame);
  Napi::Array queues = Napi::Array::New(env);
  for (const QueueState& queue : worker.queues) {
    queues.Set(queues.Length(), queue_state(env, queue));
  }
  object.Set("queues", queues);
  return object;
}

}  // namespace

Napi::Value SwitchObject::add_worker(const Napi::CallbackInfo& info) {
  uint16_t worker = 0;
  check(info.Env(), switch_->add_worker(one_worker(info[0].As<Napi::Object>()), worker));
  return Napi::Number::New(info.Env(), worker);
}

void SwitchObject::set_worker(const Napi::CallbackInfo& info) {
  check(info.Env(),
        switch_->set_worker(worker_number(info[0]), one_worker(info[1].As<Napi::Object>())));
}

void SwitchObject::remove_worker(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->remove_worker(worker_number(info[0])));
}

Napi::Value SwitchObject::worker_states(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const WorkerState& worker : switch_->worker_states()) {
    list.Set(list.Length(), worker_state(info.Env(), worker));
  }
  return list;
}

void SwitchObject::spread_queues(const Napi::CallbackInfo&) {
  switch_->spread_queues();
}

void SwitchObject::set_placement(const Napi::CallbackInfo& info) {
  const bool automatic = text(info[0], "placement", 16) == "auto";
  switch_->set_placement(automatic ? Placement::kAuto : Placement::kSpread);
}

void SwitchObject::move_queue(const Napi::CallbackInfo& info) {
  const auto queue = static_cast<uint16_t>(number(info[1], "queue", 0, UINT16_MAX));
  check(info.Env(), switch_->move_queue(port_number(info[0]), queue, worker_number(info[2])));
}

void SwitchObject::place_port(const Napi::CallbackInfo& info) {
  const auto list = info[1].As<Napi::Array>();
  std::vector<uint16_t> workers;
  for (uint32_t i = 0; i < std::min<uint32_t>(list.Length(), kMaxQueues); ++i) {
    workers.push_back(worker_number(list.Get(i)));
  }
  check(info.Env(), switch_->place_port(port_number(info[0]), std::move(workers)));
}

}  // namespace memswitch::binding
