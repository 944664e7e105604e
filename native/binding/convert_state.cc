// What the switch tells, as objects of JavaScript.
#include <sys/un.h>

#include <array>
#include <cstddef>

#include "binding/convert.h"
#include "binding/rows.h"

namespace memswitch::binding {

Napi::Object tunnel_status(Napi::Env env, const TunnelStatus& status) {
  Napi::Array remotes = Napi::Array::New(env);
  for (const RemoteStatus& remote : status.remotes) {
    const auto counter = [env](uint64_t value) { return Napi::BigInt::New(env, value); };
    Napi::Object object = Napi::Object::New(env);
    object.Set("address", remote.address.text());
    object.Set("configured", remote.configured);
    object.Set("reachable", remote.reachable);
    object.Set("mtu", remote.mtu);
    object.Set("heard", remote.heard_s);
    object.Set("macs", remote.macs);
    object.Set("rxFrames", counter(remote.rx_frames));
    object.Set("rxBytes", counter(remote.rx_bytes));
    object.Set("txFrames", counter(remote.tx_frames));
    object.Set("txBytes", counter(remote.tx_bytes));
    object.Set("drops", counter(remote.drops));
    remotes.Set(remotes.Length(), object);
  }
  Napi::Object tunnel = Napi::Object::New(env);
  tunnel.Set("port", status.port);
  tunnel.Set("remotes", remotes);
  return tunnel;
}

namespace {

constexpr std::array wake_names{"never", "interrupt", "descriptor", "timer"};

Napi::Object device_state(Napi::Env env, const DeviceState& state,
                          const DeviceStatistics& statistics) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", state.name);
  object.Set("driver", state.driver);
  object.Set("mac", Napi::BigInt::New(env, state.mac));
  object.Set("mtu", state.mtu);
  object.Set("speed", state.speed);
  object.Set("numa", state.numa);
  object.Set("queues", state.queues);
  object.Set("ringSize", state.ring_size);
  object.Set("promiscuous", state.promiscuous);
  object.Set("wake", wake_names[static_cast<size_t>(state.wake)]);
  object.Set("linkInterrupts", state.link_interrupts);
  object.Set("checksRx", state.checks_rx);
  object.Set("checksTx", state.fills_tx);
  object.Set("filtersVlans", state.filters_vlans);
  object.Set("refusedVlans", state.refused_vlans);
  Napi::Object values = Napi::Object::New(env);
  for (const auto& [name, value] : statistics) {
    values.Set(name, Napi::BigInt::New(env, value));
  }
  object.Set("statistics", values);
  return object;
}

}  // namespace

Napi::Object port_state(Napi::Env env, const PortState& state) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", state.id);
  object.Set("link", state.link);
  object.Set("queues", state.queues);
  object.Set("ringSize", state.ring_size);
  object.Set("peer", state.peer);
  object.Set("peerPid", state.credentials.pid);
  object.Set("peerUid",
             state.link && !state.device ? static_cast<double>(state.credentials.uid) : -1);
  object.Set("macs", state.macs);
  object.Set("lastError", state.last_error);
  object.Set("attaches", state.attaches);
  Napi::Object errors = Napi::Object::New(env);
  for (size_t fault = 1; fault < memif::kFaults; ++fault) {
    errors.Set(memif::kFaultTexts[fault].name, state.protocol_errors[fault]);
  }
  object.Set("protocolErrors", errors);
  object.Set("device",
             state.device ? device_state(env, *state.device, state.statistics) : env.Null());
  return object;
}

Napi::Object event(Napi::Env env, const Event& event) {
  Napi::Object object = Napi::Object::New(env);
  const auto mac_value = [&] { return Napi::BigInt::New(env, mac_number(event.mac)); };
  switch (event.kind) {
    case Event::Kind::kLinkUp:
      object.Set("type", "link-up");
      object.Set("port", event.port);
      object.Set("peer", event.text);
      break;
    case Event::Kind::kLinkDown:
    case Event::Kind::kProtocolError:
      object.Set("type", event.kind == Event::Kind::kLinkDown ? "link-down" : "protocol-error");
      object.Set("port", event.port);
      object.Set("reason", event.text);
      if (event.kind == Event::Kind::kProtocolError) {
        object.Set("error", memif::kFaultTexts[static_cast<size_t>(event.fault)].name);
      }
      break;
    case Event::Kind::kPortFull:
    case Event::Kind::kTableFull:
      object.Set("type", "learn-limit");
      object.Set("bridge", event.bridge);
      object.Set("port", event.kind == Event::Kind::kPortFull ? event.port : -1);
      object.Set("mac", mac_value());
      break;
    case Event::Kind::kMove:
      object.Set("type", "move");
      object.Set("bridge", event.bridge);
      object.Set("mac", mac_value());
      object.Set("from", event.from);
      object.Set("to", event.port);
      break;
    case Event::Kind::kLost:
      object.Set("type", "lost");
      object.Set("events", static_cast<double>(event.count));
      break;
  }
  return object;
}

Napi::Object limits(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("burst", kBurst);
  object.Set("workers", kMaxWorkers);
  object.Set("ports", kMaxPorts - 1);
  object.Set("bridges", kMaxBridges - 1);
  object.Set("macs", kMaxMacs);
  object.Set("queues", kMaxQueues);
  object.Set("remotes", kMaxRemotes - 1);
  object.Set("ringSize", 1 << memif::kMaxLog2RingSize);
  object.Set("ageing", kMaxAgeing);
  object.Set("socketPath", sizeof(sockaddr_un::sun_path) - 1);
  object.Set("secret", memif::kSecretSize - 1);
  object.Set("staticAge", kStaticAge);
  object.Set("maxFrame", kMaxFrame);
  object.Set("captures", static_cast<double>(Captures::kMost));
  object.Set("minMtu", kMinMtu);
  object.Set("maxMtu", kMaxMtu);
  object.Set("devargs", kMaxDevargs);
  object.Set("deviceRing", kMaxDeviceRing);
  object.Set("deviceMtu", kMaxDeviceMtu);
  return object;
}

Napi::Object layout(Napi::Env env) {
  const auto index = [](size_t offset) {
    const size_t place = offset / sizeof(Counter);
    return static_cast<double>(place);
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("portStride", static_cast<double>(kPortStride));
  object.Set("rxFrames", index(offsetof(PortCounters, rx_frames)));
  object.Set("rxBytes", index(offsetof(PortCounters, rx_bytes)));
  object.Set("txFrames", index(offsetof(PortCounters, tx_frames)));
  object.Set("txBytes", index(offsetof(PortCounters, tx_bytes)));
  object.Set("copies", index(offsetof(PortCounters, copies)));
  object.Set("moves", index(offsetof(PortCounters, moves)));
  object.Set("consumed", index(offsetof(PortCounters, consumed)));
  object.Set("learnLimited", index(offsetof(PortCounters, learn_limited)));
  object.Set("drops", index(offsetof(PortCounters, drops)));
  Napi::Array reasons = Napi::Array::New(env);
  for (const DropText& drop : kDropTexts) {
    Napi::Object reason = Napi::Object::New(env);
    reason.Set("name", drop.name);
    reason.Set("side", drop.at_tx ? "tx" : "rx");
    reason.Set("help", drop.help);
    reasons.Set(reasons.Length(), reason);
  }
  object.Set("dropReasons", reasons);
  Napi::Array errors = Napi::Array::New(env);
  for (size_t fault = 1; fault < memif::kFaults; ++fault) {
    errors.Set(errors.Length(), memif::kFaultTexts[fault].name);
  }
  object.Set("protocolErrors", errors);
  object.Set("row", row_layout(env));
  Napi::Array worker = Napi::Array::New(env);
  Napi::Array bounds = Napi::Array::New(env);
  for (const char* name : {"loops", "busyCycles", "idleCycles", "sleeps", "frames", "bursts"}) {
    worker.Set(worker.Length(), name);
  }
  for (const uint16_t bound : kBurstBounds) {
    worker.Set(worker.Length(), "burst" + std::to_string(bound));
    bounds.Set(bounds.Length(), bound);
  }
  object.Set("worker", worker);
  object.Set("burstBounds", bounds);
  return object;
}

static_assert(offsetof(WorkerCounters, burst_frames) == 6 * sizeof(Counter));

}  // namespace memswitch::binding
