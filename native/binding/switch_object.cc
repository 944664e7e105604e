#include "binding/switch_object.h"

#include "binding/convert.h"
#include "binding/registry.h"
#include "binding/rows.h"
#include "binding/watching.h"

namespace memswitch::binding {

namespace {

uint16_t bridge_number(const Napi::Value& value) {
  return static_cast<uint16_t>(number(value, "bridge", 1, kMaxBridges));
}

// VLAN 0: none, or all.
Mac mac_in_vlan(const Napi::Value& address, const Napi::Value& vlan) {
  return with_vlan(mac(address), static_cast<uint16_t>(number(vlan, "vlan", 0, kMaxVlan)));
}

// Of a capture or a mirror.
uint32_t serial(const Napi::Value& value) {
  return static_cast<uint32_t>(number(value, "id", 0, UINT32_MAX));
}

// -1: all.
PortId port_or_all(const Napi::Value& value) {
  const int64_t given = number(value, "port", -1, kMaxPorts - 1);
  return given <= 0 ? kNoPort : static_cast<PortId>(given);
}

// Runs on the JavaScript thread. What the callback throws is an uncaught exception of that thread, as from any event;
// when the thread is already ending and can run nothing any more, the event is lost with it.
void call_back(Napi::Env env, Napi::Function callback, Event* raw) {
  const std::unique_ptr<Event> told(raw);
  if (env == nullptr || callback == nullptr) {
    return;
  }
  try {
    Napi::Array events = Napi::Array::New(env);
    events.Set(0U, event(env, *told));
    callback.Call({events});
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace

Napi::Function SwitchObject::define(Napi::Env env) {
  return DefineClass(env, "Switch",
                     {
                         InstanceAccessor<&SwitchObject::token>("token"),
                         InstanceMethod<&SwitchObject::add_bridge>("addBridge"),
                         InstanceMethod<&SwitchObject::set_bridge>("setBridge"),
                         InstanceMethod<&SwitchObject::remove_bridge>("removeBridge"),
                         InstanceMethod<&SwitchObject::bridge_macs>("bridgeMacs"),
                         InstanceMethod<&SwitchObject::add_port>("addPort"),
                         InstanceMethod<&SwitchObject::set_port>("setPort"),
                         InstanceMethod<&SwitchObject::set_policy>("setPolicy"),
                         InstanceMethod<&SwitchObject::set_polling>("setPolling"),
                         InstanceMethod<&SwitchObject::remove_port>("removePort"),
                         InstanceMethod<&SwitchObject::port_states>("portStates"),
                         InstanceMethod<&SwitchObject::read_ports>("readPorts"),
                         InstanceMethod<&SwitchObject::macs>("macs"),
                         InstanceMethod<&SwitchObject::relearn>("relearn"),
                         InstanceMethod<&SwitchObject::find_mac>("findMac"),
                         InstanceMethod<&SwitchObject::add_static_mac>("addStaticMac"),
                         InstanceMethod<&SwitchObject::remove_mac>("removeMac"),
                         InstanceMethod<&SwitchObject::flush_macs>("flushMacs"),
                         InstanceMethod<&SwitchObject::remotes_of>("remotesOf"),
                         InstanceMethod<&SwitchObject::tunnels>("tunnels"),
                         InstanceMethod<&SwitchObject::add_remote>("addRemote"),
                         InstanceMethod<&SwitchObject::remove_remote>("removeRemote"),
                         InstanceMethod<&SwitchObject::add_capture>("addCapture"),
                         InstanceMethod<&SwitchObject::read_capture>("readCapture"),
                         InstanceMethod<&SwitchObject::remove_capture>("removeCapture"),
                         InstanceMethod<&SwitchObject::captures>("captures"),
                         InstanceMethod<&SwitchObject::explain>("explain"),
                         InstanceMethod<&SwitchObject::add_mirror>("addMirror"),
                         InstanceMethod<&SwitchObject::join_mirror>("joinMirror"),
                         InstanceMethod<&SwitchObject::remove_mirror>("removeMirror"),
                         InstanceMethod<&SwitchObject::mirrors>("mirrors"),
                         InstanceMethod<&SwitchObject::port_counters>("portCounters"),
                         InstanceMethod<&SwitchObject::worker_counters>("workerCounters"),
                         InstanceMethod<&SwitchObject::add_worker>("addWorker"),
                         InstanceMethod<&SwitchObject::set_worker>("setWorker"),
                         InstanceMethod<&SwitchObject::remove_worker>("removeWorker"),
                         InstanceMethod<&SwitchObject::worker_states>("workerStates"),
                         InstanceMethod<&SwitchObject::spread_queues>("spreadQueues"),
                         InstanceMethod<&SwitchObject::set_placement>("setPlacement"),
                         InstanceMethod<&SwitchObject::move_queue>("moveQueue"),
                         InstanceMethod<&SwitchObject::place_port>("placePort"),
                         InstanceMethod<&SwitchObject::hand_over>("handOver"),
                         InstanceMethod<&SwitchObject::inherit>("inherit"),
                         InstanceMethod<&SwitchObject::adopt>("adopt"),
                         InstanceMethod<&SwitchObject::stop>("stop"),
                         InstanceMethod<&SwitchObject::close>("close"),
                     });
}

SwitchObject::SwitchObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const std::vector<WorkerOptions> workers = worker_options(info[0].As<Napi::Object>());
  tell_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "memswitch", 0, 1,
                                        [shared = shared_](Napi::Env) {
                                          if (shared->control) {
                                            shared->control->close();
                                          }
                                          shared->is_deaf = true;
                                        });
  tell_.Unref(info.Env());
  switch_ = std::make_shared<Switch>(workers, [tell = tell_](Event event) {
    auto told = std::make_unique<Event>(std::move(event));
    if (tell.NonBlockingCall(told.get(), call_back) == napi_ok) {
      static_cast<void>(told.release());  // call_back's from here
    }
  });
  shared_->control = switch_;
  token_ = enroll(switch_);
}

void SwitchObject::Finalize(Napi::BasicEnv) {
  if (switch_) {
    end();
  }
}

void SwitchObject::end() {
  if (!ended_) {
    ended_ = true;
    switch_->close();
    strike(token_);
    if (!shared_->is_deaf) {
      tell_.Release();
    }
  }
}

Napi::Value SwitchObject::token(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), token_);
}

Napi::Value SwitchObject::add_bridge(const Napi::CallbackInfo& info) {
  uint16_t bridge = 0;
  check(info.Env(), switch_->add_bridge(bridge_options(info[0].As<Napi::Object>()), bridge));
  return Napi::Number::New(info.Env(), bridge);
}

void SwitchObject::set_bridge(const Napi::CallbackInfo& info) {
  check(info.Env(),
        switch_->set_bridge(bridge_number(info[0]), bridge_options(info[1].As<Napi::Object>())));
}

void SwitchObject::remove_bridge(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->remove_bridge(bridge_number(info[0])));
}

Napi::Value SwitchObject::bridge_macs(const Napi::CallbackInfo& info) {
  uint32_t count = 0;
  check(info.Env(), switch_->bridge_macs(bridge_number(info[0]), count));
  return Napi::Number::New(info.Env(), count);
}

Napi::Value SwitchObject::add_port(const Napi::CallbackInfo& info) {
  PortId port = kNoPort;
  check(info.Env(), switch_->add_port(port_options(info[0].As<Napi::Object>()), port));
  return Napi::Number::New(info.Env(), port);
}

void SwitchObject::set_port(const Napi::CallbackInfo& info) {
  const auto limit = static_cast<uint32_t>(number(info[2], "macLimit", 0, kMaxMacs));
  check(info.Env(),
        switch_->set_port(port_number(info[0]), bridge_number(info[1]), limit, max_frame(info[3])));
}

void SwitchObject::set_policy(const Napi::CallbackInfo& info) {
  check(info.Env(),
        switch_->set_policy(port_number(info[0]), policy_options(info[1].As<Napi::Object>())));
}

void SwitchObject::set_polling(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->set_polling(port_number(info[0]), polling(info[1])));
}

void SwitchObject::remove_port(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->remove_port(port_number(info[0])));
}

Napi::Value SwitchObject::port_states(const Napi::CallbackInfo& info) {
  const std::vector<PortState> states = switch_->port_states();
  Napi::Array list = Napi::Array::New(info.Env(), states.size());
  for (uint32_t i = 0; i < states.size(); ++i) {
    list.Set(i, port_state(info.Env(), states[i]));
  }
  return list;
}

Napi::Value SwitchObject::read_ports(const Napi::CallbackInfo& info) {
  auto rows = info[0].As<Napi::Float64Array>();
  if (rows.ElementLength() != kMaxPorts * kRowStride) {
    throw Napi::TypeError::New(info.Env(), "rows: must have layout.row.stride numbers a port");
  }
  const std::vector<uint32_t> changed =
      read_port_rows(*switch_, {rows.Data(), rows.ElementLength()});
  auto list = Napi::Uint32Array::New(info.Env(), changed.size());
  std::copy(changed.begin(), changed.end(), list.Data());
  return list;
}

Napi::Value SwitchObject::macs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto filter = info[1].As<Napi::Object>();
  const PortId port = port_or_all(filter.Get("port"));
  const std::string kind = text(filter.Get("kind"), "kind", 16);
  const auto limit = static_cast<size_t>(number(filter.Get("limit"), "limit", 0, kMaxMacs));
  std::vector<uint64_t> entries;
  std::vector<uint16_t> ages;
  std::vector<uint16_t> vlans;
  uint32_t total = 0;
  check(env,
        switch_->each_mac(bridge_number(info[0]), [&](const MacTable::Entry& entry, uint16_t age) {
          if ((port != kNoPort && entry.port != port) || (kind == "static" && !entry.is_static) ||
              (kind == "learned" && entry.is_static)) {
            return;
          }
          if (total++ < limit) {
            entries.push_back(mac_number(entry.mac) << 16 | entry.port);
            vlans.push_back(vlan_of(entry.mac));
            ages.push_back(entry.is_static ? kStaticAge : std::min<uint16_t>(age, kStaticAge - 1));
          }
        }));
  auto entry_array = Napi::BigUint64Array::New(env, entries.size());
  auto age_array = Napi::Uint16Array::New(env, ages.size());
  std::copy(entries.begin(), entries.end(), entry_array.Data());
  std::copy(ages.begin(), ages.end(), age_array.Data());
  Napi::Object table = Napi::Object::New(env);
  table.Set("entries", entry_array);
  table.Set("ages", age_array);
  auto vlan_array = Napi::Uint16Array::New(env, vlans.size());
  std::copy(vlans.begin(), vlans.end(), vlan_array.Data());
  table.Set("vlans", vlan_array);
  table.Set("total", total);
  return table;
}

Napi::Value SwitchObject::relearn(const Napi::CallbackInfo& info) {
  const auto entries = info[1].As<Napi::BigUint64Array>();
  const auto ages = info[2].As<Napi::Uint16Array>();
  const auto vlans = info[3].As<Napi::Uint16Array>();
  if (ages.ElementLength() != entries.ElementLength() ||
      vlans.ElementLength() != entries.ElementLength()) {
    throw Napi::TypeError::New(info.Env(), "entries, ages and vlans: must be of one length");
  }
  std::vector<MacTable::Entry> kept(entries.ElementLength());
  for (size_t i = 0; i < kept.size(); ++i) {
    const uint64_t entry = entries[i];
    kept[i] = {.mac = with_vlan(mac_of_number(entry >> 16), std::min(uint16_t{vlans[i]}, kMaxVlan)),
               .port = static_cast<PortId>(entry),
               .seen = ages[i]};
  }
  return Napi::Number::New(info.Env(), switch_->relearn(bridge_number(info[0]), kept));
}

Napi::Value SwitchObject::find_mac(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array found = Napi::Array::New(env);
  check(env, switch_->find_mac(bridge_number(info[0]), mac(info[1]),
                               [&](const MacTable::Entry& entry, uint16_t age) {
                                 Napi::Object object = Napi::Object::New(env);
                                 object.Set("port", entry.port);
                                 object.Set("age", entry.is_static ? kStaticAge : age);
                                 object.Set("vlan", vlan_of(entry.mac));
                                 found.Set(found.Length(), object);
                               }));
  return found;
}

void SwitchObject::add_static_mac(const Napi::CallbackInfo& info) {
  std::optional<IpAddress> remote;
  if (!text(info[3], "remote", 64).empty()) {
    remote = address(info[3], "remote");
  }
  check(info.Env(), switch_->add_static_mac(bridge_number(info[0]), mac_in_vlan(info[1], info[4]),
                                            port_number(info[2]), remote));
}

Napi::Value SwitchObject::remove_mac(const Napi::CallbackInfo& info) {
  bool removed = false;
  check(info.Env(),
        switch_->remove_mac(bridge_number(info[0]), mac_in_vlan(info[1], info[2]), removed));
  return Napi::Boolean::New(info.Env(), removed);
}

Napi::Value SwitchObject::flush_macs(const Napi::CallbackInfo& info) {
  uint32_t count = 0;
  check(info.Env(), switch_->flush_macs(bridge_number(info[0]), port_or_all(info[1]), count));
  return Napi::Number::New(info.Env(), count);
}

Napi::Value SwitchObject::remotes_of(const Napi::CallbackInfo& info) {
  const auto entries = info[0].As<Napi::BigUint64Array>();
  std::vector<std::pair<PortId, Mac>> asked;
  for (size_t i = 0; i < entries.ElementLength(); ++i) {
    asked.emplace_back(static_cast<PortId>(entries[i]), mac_of_number(entries[i] >> 16));
  }
  Napi::Array list = Napi::Array::New(info.Env(), asked.size());
  uint32_t at = 0;
  for (const std::optional<IpAddress>& remote : switch_->remotes_of(asked, info[1].ToBoolean())) {
    list.Set(at++, remote ? remote->text() : std::string());
  }
  return list;
}

Napi::Value SwitchObject::tunnels(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const TunnelStatus& tunnel : switch_->tunnels()) {
    list.Set(list.Length(), tunnel_status(info.Env(), tunnel));
  }
  return list;
}

void SwitchObject::add_remote(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->add_remote(port_number(info[0]), address(info[1], "address")));
}

void SwitchObject::remove_remote(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->remove_remote(port_number(info[0]), address(info[1], "address")));
}

Napi::Value SwitchObject::add_capture(const Napi::CallbackInfo& info) {
  uint32_t id = 0;
  check(info.Env(), switch_->add_capture(capture_options(info[0].As<Napi::Object>()), id));
  return Napi::Number::New(info.Env(), id);
}

Napi::Value SwitchObject::read_capture(const Napi::CallbackInfo& info) {
  return binding::read_capture(info.Env(), switch_->capture(serial(info[0])));
}

void SwitchObject::remove_capture(const Napi::CallbackInfo& info) {
  switch_->remove_capture(serial(info[0]));
}

Napi::Value SwitchObject::captures(const Napi::CallbackInfo& info) {
  CaptureStatus total;
  const std::vector<CaptureStatus> all = switch_->captures(total);
  return binding::captures(info.Env(), all, total);
}

Napi::Value SwitchObject::explain(const Napi::CallbackInfo& info) {
  const PortId port = port_number(info[0]);
  const std::vector<std::byte> frame = frame_bytes(info[1]);
  Explanation found;
  check(info.Env(), switch_->explain(port, frame, found));
  return explanation(info.Env(), found);
}

Napi::Value SwitchObject::add_mirror(const Napi::CallbackInfo& info) {
  uint32_t id = 0;
  check(info.Env(), switch_->add_mirror(mirror_options(info[0].As<Napi::Object>()), id));
  return Napi::Number::New(info.Env(), id);
}

void SwitchObject::join_mirror(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->join_mirror(serial(info[0]), port_number(info[1])));
}

void SwitchObject::remove_mirror(const Napi::CallbackInfo& info) {
  check(info.Env(), switch_->remove_mirror(serial(info[0])));
}

Napi::Value SwitchObject::mirrors(const Napi::CallbackInfo& info) {
  return binding::mirrors(info.Env(), switch_->mirrors());
}

// The memory is the switch's; the array keeps the switch alive for as long as JavaScript looks at it.
Napi::Value SwitchObject::counters_view(Napi::Env env, void* memory, size_t bytes) {
  auto keep = std::make_unique<std::shared_ptr<Switch>>(switch_);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, memory, bytes,
      [](Napi::BasicEnv, void*, std::shared_ptr<Switch>* kept) {
        const std::unique_ptr<std::shared_ptr<Switch>> last(kept);
      },
      keep.release());
  return Napi::BigUint64Array::New(env, bytes / sizeof(uint64_t), buffer, 0);
}

Napi::Value SwitchObject::port_counters(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (uint32_t w = 0; w < switch_->workers().size(); ++w) {
    const auto counters = switch_->workers().port_counters(w);
    list.Set(w, counters_view(info.Env(), counters.data(), counters.size_bytes()));
  }
  return list;
}

Napi::Value SwitchObject::worker_counters(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (uint32_t w = 0; w < switch_->workers().size(); ++w) {
    WorkerCounters& counters = switch_->workers().counters(w);
    list.Set(w, counters_view(info.Env(), &counters, sizeof counters));
  }
  return list;
}

void SwitchObject::stop(const Napi::CallbackInfo&) {
  switch_->stop();
}

void SwitchObject::close(const Napi::CallbackInfo&) {
  end();
}

}  // namespace memswitch::binding
