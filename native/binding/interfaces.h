// Interfaces of the kernel: see switch/native.ts.
#pragma once

#include <napi.h>

namespace memswitch::binding {

void define_interfaces(Napi::Env env, Napi::Object exports);

}  // namespace memswitch::binding
