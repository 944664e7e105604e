// Captures and mirrors between JavaScript and C++.
#pragma once

#include <napi.h>

#include "control/switch.h"

namespace memswitch::binding {

CaptureOptions capture_options(const Napi::Object& options);
MirrorOptions mirror_options(const Napi::Object& options);
Napi::Object captures(Napi::Env env, const std::vector<CaptureStatus>& all,
                      const CaptureStatus& total);
Napi::Array mirrors(Napi::Env env, const std::vector<MirrorStatus>& all);

// A frame as a typed array of bytes, at most kMaxFrame + 1 of them: longer ones are all alike.
std::vector<std::byte> frame_bytes(const Napi::Value& value);
Napi::Object explanation(Napi::Env env, const Explanation& found);

// What a capture has by now, as a pcapng stream goes on: at most about a mebibyte. Undefined after the last.
Napi::Value read_capture(Napi::Env env, const std::shared_ptr<CaptureReader>& reader);

// Adds compileFilter(): on a thread of its own, because it may look up names.
void define_watching(Napi::Env env, Napi::Object exports);

}  // namespace memswitch::binding
