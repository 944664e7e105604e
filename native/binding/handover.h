// What one process hands to the next, between JavaScript and C++: see control/handover.h.
#pragma once

#include <napi.h>

namespace memswitch::binding {

// Adds receiveHandover(): it waits on a thread of its own.
void define_handover(Napi::Env env, Napi::Object exports);

}  // namespace memswitch::binding
