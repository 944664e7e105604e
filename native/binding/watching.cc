#include "binding/watching.h"

#include "binding/convert.h"
#include "control/expression.h"

namespace memswitch::binding {

namespace {

constexpr size_t kLongestName = 256;
constexpr size_t kLongestFilter = 4096;
constexpr size_t kMostAtOnce = size_t{1} << 20;  // bytes
constexpr size_t kLeastRing = size_t{1} << 17;   // holds any frame

PortId port_id(const Napi::Value& value) {
  return static_cast<PortId>(number(value, "port", 1, kMaxPorts - 1));
}

uint32_t snaplen(const Napi::Value& value) {
  return static_cast<uint32_t>(number(value, "snaplen", 1, kMaxFrame));
}

std::vector<FilterStep> steps(const Napi::Value& value) {
  static_assert(sizeof(FilterStep) == sizeof(uint64_t));
  const auto words = value.As<Napi::BigUint64Array>();
  std::vector<FilterStep> program(words.ElementLength());
  std::memcpy(program.data(), words.Data(), words.ByteLength());
  return program;
}

class Compilation final : public Napi::AsyncWorker {
 public:
  Compilation(Napi::Env env, std::string expression, uint32_t snaplen)
      : Napi::AsyncWorker(env),
        promise_(Napi::Promise::Deferred::New(env)),
        expression_(std::move(expression)),
        snaplen_(snaplen) {}

  [[nodiscard]] Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override { status_ = compile_filter(expression_, snaplen_, program_); }

  void OnOK() override {
    try {
      check(Env(), status_);
      auto words = Napi::BigUint64Array::New(Env(), program_.size());
      std::memcpy(words.Data(), program_.data(), words.ByteLength());
      promise_.Resolve(words);
    } catch (const Napi::Error& error) {
      promise_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred promise_;
  const std::string expression_;
  const uint32_t snaplen_;
  Status status_;
  std::vector<FilterStep> program_;
};

Napi::Value compile(const Napi::CallbackInfo& info) {
  // Node deletes it when it has called OnOK().
  auto compilation = std::make_unique<Compilation>(
      info.Env(), text(info[0], "expression", kLongestFilter), snaplen(info[1]));
  const Napi::Promise promise = compilation->promise();
  compilation.release()->Queue();
  return promise;
}

Napi::BigInt counter(Napi::Env env, uint64_t value) {
  return Napi::BigInt::New(env, value);
}

}  // namespace

CaptureOptions capture_options(const Napi::Object& options) {
  CaptureOptions capture{
      .ports = {},
      .application = text(options.Get("application"), "application", kLongestName),
      .filter_text = text(options.Get("filterText"), "filterText", kLongestFilter),
      .filter = steps(options.Get("filter")),
      .snaplen = snaplen(options.Get("snaplen")),
      .count = static_cast<uint64_t>(number(options.Get("count"), "count", 0, INT64_MAX >> 11)),
      .ring_bytes =
          static_cast<size_t>(number(options.Get("ringBytes"), "ringBytes", kLeastRing, 1 << 30)),
      .rx = boolean(options.Get("rx"), "rx"),
      .tx = boolean(options.Get("tx"), "tx"),
      .only_drops = boolean(options.Get("onlyDrops"), "onlyDrops"),
  };
  const auto ports = options.Get("ports").As<Napi::Array>();
  for (uint32_t i = 0; i < ports.Length(); ++i) {
    const auto one = ports.Get(i).As<Napi::Object>();
    capture.ports.push_back({.port = port_id(one.Get("port")),
                             .name = text(one.Get("name"), "name", kLongestName),
                             .description = text(one.Get("description"), "description", 1024)});
  }
  return capture;
}

MirrorOptions mirror_options(const Napi::Object& options) {
  MirrorOptions mirror{
      .from = {},
      .to = port_id(options.Get("to")),
      .rx = boolean(options.Get("rx"), "rx"),
      .tx = boolean(options.Get("tx"), "tx"),
  };
  const auto from = options.Get("from").As<Napi::Array>();
  for (uint32_t i = 0; i < from.Length(); ++i) {
    mirror.from.insert(port_id(from.Get(i)));
  }
  return mirror;
}

Napi::Object captures(Napi::Env env, const std::vector<CaptureStatus>& all,
                      const CaptureStatus& total) {
  const auto shown = [env](const CaptureStatus& status) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("id", status.id);
    object.Set("frames", counter(env, status.frames));
    object.Set("lost", counter(env, status.lost));
    return object;
  };
  Napi::Array list = Napi::Array::New(env, all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    list.Set(i, shown(all[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("captures", list);
  object.Set("total", shown(total));
  return object;
}

Napi::Array mirrors(Napi::Env env, const std::vector<MirrorStatus>& all) {
  Napi::Array list = Napi::Array::New(env, all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("id", all[i].id);
    object.Set("frames", counter(env, all[i].frames));
    object.Set("bytes", counter(env, all[i].bytes));
    object.Set("lost", counter(env, all[i].lost));
    list.Set(i, object);
  }
  return list;
}

std::vector<std::byte> frame_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) {
    throw Napi::TypeError::New(value.Env(), "frame: must be a Uint8Array");
  }
  const auto bytes = value.As<Napi::Uint8Array>();
  const auto* data = reinterpret_cast<const std::byte*>(bytes.Data());
  return {data, data + std::min<size_t>(bytes.ByteLength(), kMaxFrame + 1)};
}

namespace {

Napi::Value drop_name(Napi::Env env, const std::optional<Drop>& drop) {
  return drop ? Napi::Value(Napi::String::New(env, kDropTexts[static_cast<size_t>(*drop)].name))
              : env.Null();
}

Napi::Value entry(Napi::Env env, const std::optional<MacTable::Entry>& known) {
  if (!known) {
    return env.Null();
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("port", known->port);
  object.Set("static", known->is_static);
  return object;
}

}  // namespace

Napi::Object explanation(Napi::Env env, const Explanation& found) {
  Napi::Array ways = Napi::Array::New(env, found.ways.size());
  for (uint32_t i = 0; i < found.ways.size(); ++i) {
    const Explanation::Way& way = found.ways[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("port", way.port);
    object.Set("drop", drop_name(env, way.drop));
    object.Set("remote", way.remote ? way.remote->text() : std::string());
    ways.Set(i, object);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("drop", drop_name(env, found.drop));
  object.Set("bridged", found.has_bridge);
  object.Set("carriesTunnels", found.carries_tunnels);
  object.Set("destination", entry(env, found.destination));
  object.Set("source", entry(env, found.source));
  object.Set("ways", ways);
  return object;
}

Napi::Value read_capture(Napi::Env env, const std::shared_ptr<CaptureReader>& reader) {
  std::vector<std::byte> bytes;
  if (!reader || (!reader->read(bytes, kMostAtOnce) && bytes.empty())) {
    return env.Undefined();
  }
  return Napi::Buffer<std::byte>::Copy(env, bytes.data(), bytes.size());
}

void define_watching(Napi::Env env, Napi::Object exports) {
  exports.Set("compileFilter", Napi::Function::New(env, compile, "compileFilter"));
}

}  // namespace memswitch::binding
