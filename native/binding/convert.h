// Values between JavaScript and C++. TypeScript has checked what people typed; a wrong value here is a mistake of
// ours or of somebody who went past the API, so it gets a plain TypeError.
#pragma once

#include <napi.h>

#include <optional>
#include <string>

#include "control/endpoint.h"
#include "control/status.h"
#include "control/switch.h"

namespace memswitch::binding {

// Throws the refusal as an Error with `code`; returns when the status is ok.
void check(Napi::Env env, const Status& status);

// A whole number within [low, high] out of an object's field or an argument.
int64_t number(const Napi::Value& value, const char* name, int64_t low, int64_t high);
std::string text(const Napi::Value& value, const char* name, size_t longest);
bool boolean(const Napi::Value& value, const char* name);
PortId port_number(const Napi::Value& value);

// A bigint: mac_of_number().
Mac mac(const Napi::Value& value);

// The longest frame of a port with that MTU.
uint32_t max_frame(const Napi::Value& mtu);

WorkerOptions one_worker(const Napi::Object& options);
// '': none of its own.
std::optional<Polling> polling(const Napi::Value& value);

std::vector<WorkerOptions> worker_options(const Napi::Object& options);
BridgeOptions bridge_options(const Napi::Object& options);
EndpointOptions endpoint_options(const Napi::Object& memif);
PolicyOptions policy_options(const Napi::Object& policy);
PortOptions port_options(const Napi::Object& options);
IpAddress address(const Napi::Value& value, const char* name);
Napi::Object tunnel_status(Napi::Env env, const TunnelStatus& status);
Napi::Object port_state(Napi::Env env, const PortState& state);
Napi::Object event(Napi::Env env, const Event& event);

Napi::Object limits(Napi::Env env);
Napi::Object layout(Napi::Env env);

// Marks a static entry among ages.
inline constexpr uint16_t kStaticAge = 0xffff;

}  // namespace memswitch::binding
