#include "binding/endpoint_object.h"

#include <algorithm>
#include <cstring>

#include "binding/convert.h"

namespace memswitch::binding {

using memif::Fault;

namespace {

// Of a frame in an array of numbers: region, offset, length.
constexpr size_t kNumbers = 3;
// In place of the region: the frame lies in pieces, ask joined() for it.
constexpr uint32_t kInPieces = UINT32_MAX;

void put(Napi::Uint32Array& out, size_t i, uint32_t region, const EndpointLink::Place& place) {
  out[kNumbers * i] = region;
  out[kNumbers * i + 1] = place.offset;
  out[kNumbers * i + 2] = place.length;
}

Napi::Uint32Array numbers(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throw Napi::TypeError::New(value.Env(), "must be a Uint32Array");
  }
  return value.As<Napi::Uint32Array>();
}

}  // namespace

Napi::Function EndpointObject::define(Napi::Env env) {
  return DefineClass(env, "Endpoint",
                     {
                         InstanceMethod<&EndpointObject::open>("open"),
                         InstanceMethod<&EndpointObject::set_referenced>("setReferenced"),
                         InstanceMethod<&EndpointObject::adopt>("adopt"),
                         InstanceMethod<&EndpointObject::receive>("receive"),
                         InstanceMethod<&EndpointObject::joined>("joined"),
                         InstanceMethod<&EndpointObject::release>("release"),
                         InstanceMethod<&EndpointObject::arm>("arm"),
                         InstanceMethod<&EndpointObject::send>("send"),
                         InstanceMethod<&EndpointObject::reserve>("reserve"),
                         InstanceMethod<&EndpointObject::commit>("commit"),
                         InstanceMethod<&EndpointObject::close>("close"),
                     });
}

EndpointObject::EndpointObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  shared_->endpoint = std::make_unique<Endpoint>(endpoint_options(info[0].As<Napi::Object>()),
                                                 static_cast<Endpoint::Listener&>(*this));
  tell_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "memif", 0, 1,
                                        [shared = shared_](Napi::Env) {
                                          shared->endpoint->close();
                                          shared->is_deaf = true;
                                        });
}

void EndpointObject::Finalize(Napi::BasicEnv) {
  if (shared_->endpoint) {
    end();
  }
}

void EndpointObject::end() {
  if (!ended_) {
    ended_ = true;
    shared_->endpoint->close();
    link_.reset();
    if (!shared_->is_deaf) {
      tell_.Release();
    }
  }
}

// --- the control thread --------------------------------------------------------------------------------------------

void EndpointObject::tell(Event event) {
  auto told = std::make_unique<Event>(std::move(event));
  if (tell_.NonBlockingCall(told.get(), call_back) == napi_ok) {
    static_cast<void>(told.release());  // call_back's from here
  }
}

void EndpointObject::up(std::shared_ptr<EndpointLink> link) {
  tell({.kind = Event::Kind::kUp, .link = std::move(link)});
}

void EndpointObject::down(const std::string& reason) {
  tell({.kind = Event::Kind::kDown, .reason = reason});
}

void EndpointObject::frames(size_t queue) {
  tell({.kind = Event::Kind::kFrames, .queue = queue});
}

// --- the JavaScript thread -----------------------------------------------------------------------------------------

// The link goes along as an external value, for adopt() to take.
void EndpointObject::call_back(Napi::Env env, Napi::Function callback, Event* raw) {
  const std::unique_ptr<Event> told(raw);
  if (env == nullptr || callback == nullptr) {
    return;
  }
  try {
    switch (told->kind) {
      case Event::Kind::kUp: {
        using Held = std::shared_ptr<EndpointLink>;
        auto held = std::make_unique<Held>(std::move(told->link));
        auto external = Napi::External<Held>::New(env, held.get(), [](Napi::BasicEnv, Held* last) {
          std::unique_ptr<Held>{last}.reset();
        });
        static_cast<void>(held.release());  // the external's from here
        callback.Call({Napi::String::New(env, "up"), external});
        break;
      }
      case Event::Kind::kDown:
        callback.Call({Napi::String::New(env, "down"), Napi::String::New(env, told->reason)});
        break;
      case Event::Kind::kFrames:
        callback.Call({Napi::String::New(env, "frames"),
                       Napi::Number::New(env, static_cast<double>(told->queue))});
        break;
    }
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void EndpointObject::open(const Napi::CallbackInfo& info) {
  check(info.Env(), shared_->endpoint->open());
}

// Whether the process stays alive for it.
void EndpointObject::set_referenced(const Napi::CallbackInfo& info) {
  if (!ended_) {
    boolean(info[0], "referenced") ? tell_.Ref(info.Env()) : tell_.Unref(info.Env());
  }
}

Napi::Value EndpointObject::adopt(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  link_ = info[0].IsExternal() && !ended_
              ? *info[0].As<Napi::External<std::shared_ptr<EndpointLink>>>().Data()
              : nullptr;
  received_.clear();
  if (!link_) {
    return env.Null();
  }
  for (size_t queue = 0; queue < link_->queues(); ++queue) {
    received_.push_back(std::make_unique<Burst>());
  }
  Napi::Object link = Napi::Object::New(env);
  link.Set("peer", link_->peer());
  link.Set("queues", static_cast<double>(link_->queues()));
  link.Set("ringSize", link_->ring_size());
  link.Set("regions", regions(env));
  return link;
}

Napi::Array EndpointObject::regions(Napi::Env env) {
  Napi::Array list = Napi::Array::New(env);
  for (const memif::Region& region : link_->regions()) {
    using Held = std::shared_ptr<EndpointLink>;
    auto keep = std::make_unique<Held>(link_);
    list.Set(list.Length(),
             Napi::ArrayBuffer::New(
                 env, region.base(), region.size(),
                 [](Napi::BasicEnv, void*, Held* last) { std::unique_ptr<Held>{last}.reset(); },
                 keep.release()));
  }
  return list;
}

// Without a link there is no queue to name.
size_t EndpointObject::queue_of(const Napi::Value& value) const {
  return static_cast<size_t>(number(value, "queue", 0, static_cast<int64_t>(received_.size()) - 1));
}

Napi::Value EndpointObject::receive(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  Napi::Uint32Array out = numbers(info[1]);
  Burst& burst = *received_[queue];
  if (const Fault fault = link_->receive(queue, burst); fault != Fault::kNone) {
    shared_->endpoint->fail(fault);
  }
  if (burst.count * kNumbers > out.ElementLength()) {
    throw Napi::RangeError::New(info.Env(), "no room for a burst's places");
  }
  for (uint16_t i = 0; i < burst.count; ++i) {
    const Frame& frame = burst.frames[i];
    const EndpointLink::Place place = link_->place(frame);
    put(out, i, frame.segments > 0 ? kInPieces : place.region, place);
  }
  return Napi::Number::New(info.Env(), burst.count);
}

Napi::Value EndpointObject::joined(const Napi::CallbackInfo& info) {
  const Burst& burst = *received_[queue_of(info[0])];
  const auto index = static_cast<size_t>(number(info[1], "index", 0, burst.count - 1));
  const Frame& frame = burst.frames[index];
  auto whole = Napi::Buffer<std::byte>::New(info.Env(), std::min(frame.length, kMaxFrame));
  size_t used = 0;
  const auto add = [&](const std::byte* data, size_t length) {
    const size_t part = std::min(length, whole.Length() - used);
    std::memcpy(whole.Data() + used, data, part);
    used += part;
  };
  add(frame.data, frame.first_length);
  for (uint16_t s = 0; s < frame.segments; ++s) {
    const Segment& piece = burst.pieces[frame.segment + s];
    add(piece.data, piece.length);
  }
  return whole;
}

void EndpointObject::release(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  Burst& burst = *received_[queue];
  if (burst.slots > 0) {
    link_->release(queue, burst);
    burst.count = burst.slots = 0;
  }
}

// True: frames wait already.
Napi::Value EndpointObject::arm(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  const bool waiting = link_->arm(queue);
  if (waiting) {
    link_->disarm(queue);
  }
  return Napi::Boolean::New(info.Env(), waiting);
}

Napi::Value EndpointObject::send(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  const auto frames = info[1].As<Napi::Array>();
  const auto first = static_cast<uint32_t>(number(info[2], "first", 0, frames.Length()));
  out_.count = out_.segments = 0;
  for (uint32_t i = first; i < frames.Length() && out_.count < kBurst; ++i) {
    const auto frame = frames.Get(i).As<Napi::Uint8Array>();
    const auto length = static_cast<uint32_t>(frame.ByteLength());
    const auto* data = reinterpret_cast<const std::byte*>(frame.Data());
    out_.frames[out_.count] = {.data = data,
                               .buffer = nullptr,
                               .length = length,
                               .first_length = length,
                               .segment = 0,
                               .segments = 0};
    std::memcpy(out_.headers[out_.count++].data(), data, std::min(length, kHeaderBytes));
  }
  const memif::Transmitted sent = link_->transmit(queue, out_);
  if (sent.fault != Fault::kNone) {
    shared_->endpoint->fail(sent.fault);
  }
  Napi::Uint32Array result = numbers(info[3]);
  if (result.ElementLength() < 3) {
    throw Napi::RangeError::New(info.Env(), "no room for what became of the frames");
  }
  result[0] = sent.frames;
  result[1] = static_cast<uint32_t>(sent.bytes);
  result[2] = sent.no_room;
  return Napi::Number::New(info.Env(), sent.done);
}

Napi::Value EndpointObject::reserve(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  Napi::Uint32Array out = numbers(info[1]);
  const size_t most = out.ElementLength() / kNumbers;
  if (const Fault fault = link_->reserve(queue, most, places_); fault != Fault::kNone) {
    shared_->endpoint->fail(fault);
  }
  for (size_t i = 0; i < places_.size(); ++i) {
    put(out, i, places_[i].region, places_[i]);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(places_.size()));
}

void EndpointObject::commit(const Napi::CallbackInfo& info) {
  const size_t queue = queue_of(info[0]);
  Napi::Uint32Array lengths = numbers(info[1]);
  link_->commit(queue, {lengths.Data(), lengths.ElementLength()});
}

void EndpointObject::close(const Napi::CallbackInfo&) {
  received_.clear();
  end();
}

}  // namespace memswitch::binding
