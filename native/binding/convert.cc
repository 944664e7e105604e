#include "binding/convert.h"

#include <net/if.h>
#include <sys/un.h>

#include <bit>
#include <climits>
#include <cmath>

namespace memswitch::binding {

namespace {

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kSystem:
      return "SYSTEM";
    case Code::kInvalid:
      return "INVALID";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kExists:
      return "EXISTS";
    case Code::kInUse:
      return "IN_USE";
    case Code::kLimit:
      return "LIMIT";
    case Code::kPermission:
      return "PERMISSION";
    case Code::kClosed:
      return "CLOSED";
  }
  return "SYSTEM";
}

Napi::Error refusal(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message);
  error.Set("code", code_name(status.code));
  return error;
}

}  // namespace

void check(Napi::Env env, const Status& status) {
  if (!status.ok()) {
    throw refusal(env, status);
  }
}

int64_t number(const Napi::Value& value, const char* name, int64_t low, int64_t high) {
  const double given = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(given >= static_cast<double>(low) && given <= static_cast<double>(high)) ||
      given != std::floor(given)) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": must be a whole number from " +
                                                std::to_string(low) + " to " +
                                                std::to_string(high));
  }
  return static_cast<int64_t>(given);
}

PortId port_number(const Napi::Value& value) {
  return static_cast<PortId>(number(value, "port", 1, kMaxPorts - 1));
}

std::string text(const Napi::Value& value, const char* name, size_t longest) {
  std::string given = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  if (!value.IsString() || given.size() > longest || given.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": must be a string of at most " +
                                                std::to_string(longest) + " bytes without NUL");
  }
  return given;
}

bool boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": must be true or false");
  }
  return value.As<Napi::Boolean>().Value();
}

Mac mac(const Napi::Value& value) {
  bool whole = false;
  const uint64_t given = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&whole) : 0;
  if (!whole || given > kMacMask) {
    throw Napi::TypeError::New(value.Env(), "mac: must be a bigint of 48 bits");
  }
  return mac_of_number(given);
}

std::optional<Polling> polling(const Napi::Value& value) {
  const std::string how = text(value, "polling", 16);
  if (how.empty()) {
    return std::nullopt;
  }
  return how == "busy"        ? Polling::kBusy
         : how == "interrupt" ? Polling::kInterrupt
                              : Polling::kAdaptive;
}

uint32_t max_frame(const Napi::Value& mtu) {
  return static_cast<uint32_t>(number(mtu, "mtu", kMinMtu, kMaxMtu)) + kMtuAllowance;
}

WorkerOptions one_worker(const Napi::Object& options) {
  WorkerOptions worker;
  worker.cpu = static_cast<int>(number(options.Get("cpu"), "cpu", -1, CPU_SETSIZE - 1));
  worker.polling = polling(options.Get("polling")).value_or(Polling::kAdaptive);
  return worker;
}

std::vector<WorkerOptions> worker_options(const Napi::Object& options) {
  const Napi::Value list = options.Get("workers");
  if (!list.IsArray()) {
    throw Napi::TypeError::New(options.Env(), "workers: must be an array");
  }
  const auto array = list.As<Napi::Array>();
  number(Napi::Number::New(options.Env(), array.Length()), "workers.length", 1, kMaxWorkers);
  std::vector<WorkerOptions> workers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    workers.push_back(one_worker(array.Get(i).As<Napi::Object>()));
  }
  return workers;
}

BridgeOptions bridge_options(const Napi::Object& options) {
  return {
      .ageing = static_cast<uint16_t>(number(options.Get("ageing"), "ageing", 0, kMaxAgeing)),
      .mac_limit = static_cast<uint32_t>(number(options.Get("macLimit"), "macLimit", 1, kMaxMacs)),
      .learn = boolean(options.Get("learn"), "learn"),
      .flood = boolean(options.Get("flood"), "flood"),
      .vlans = boolean(options.Get("vlans"), "vlans"),
  };
}

namespace {

MemifServer::Place memif_place(const Napi::Object& memif) {
  MemifServer::Place place;
  place.socket = text(memif.Get("socket"), "socket", sizeof(sockaddr_un::sun_path) - 1);
  if (place.socket.size() < 2) {
    throw Napi::TypeError::New(memif.Env(), "socket: must be a path or '@name'");
  }
  place.id = static_cast<uint32_t>(number(memif.Get("id"), "id", 0, UINT32_MAX));
  place.netns = text(memif.Get("netns"), "netns", PATH_MAX);
  place.file.mode = static_cast<mode_t>(number(memif.Get("socketMode"), "socketMode", 0, 0777));
  place.file.owner =
      static_cast<uid_t>(number(memif.Get("socketOwner"), "socketOwner", -1, UINT32_MAX));
  place.file.group =
      static_cast<gid_t>(number(memif.Get("socketGroup"), "socketGroup", -1, UINT32_MAX));
  return place;
}

std::vector<uid_t> ids(const Napi::Value& value, const char* name) {
  std::vector<uid_t> list;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    list.push_back(static_cast<uid_t>(number(array.Get(i), name, 0, UINT32_MAX)));
  }
  return list;
}

memif::Interface memif_interface(const Napi::Object& memif) {
  const auto ring_size = static_cast<uint32_t>(
      number(memif.Get("ringSize"), "ringSize", 2, 1 << memif::kMaxLog2RingSize));
  if (!std::has_single_bit(ring_size)) {
    throw Napi::TypeError::New(memif.Env(), "ringSize: must be a power of two");
  }
  return {
      .secret = text(memif.Get("secret"), "secret", memif::kSecretSize - 1),
      .queues = static_cast<uint16_t>(number(memif.Get("queues"), "queues", 1, kMaxQueues)),
      .log2_ring_size = static_cast<uint8_t>(std::countr_zero(ring_size)),
      .mode = memif.Get("ip").IsNull() ? memif::Mode::kEthernet : memif::Mode::kIp,
      .cache_line = static_cast<uint8_t>(
          number(memif.Get("cacheLine"), "cacheLine", 0, memif::kWideCacheLine)),
      .memory = {.unsealed = boolean(memif.Get("trusted"), "trusted"),
                 .huge_pages = boolean(memif.Get("hugePages"), "hugePages")},
  };
}

}  // namespace

IpAddress address(const Napi::Value& value, const char* name) {
  IpAddress parsed;
  if (!IpAddress::parse(text(value, name, 64), parsed)) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": must be an IP address");
  }
  return parsed;
}

namespace {

std::vector<StaticNeighbor> static_neighbors(const Napi::Array& list) {
  std::vector<StaticNeighbor> neighbors;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const auto neighbor = list.Get(i).As<Napi::Object>();
    neighbors.push_back({address(neighbor.Get("address"), "neighbors"), mac(neighbor.Get("mac"))});
  }
  return neighbors;
}

VtepOptions vtep_options(const Napi::Object& vxlan) {
  const auto port = [&](const char* name) {
    return static_cast<uint16_t>(number(vxlan.Get(name), name, 1, UINT16_MAX));
  };
  return {
      .netns = text(vxlan.Get("netns"), "netns", PATH_MAX),
      .local = address(vxlan.Get("local"), "local"),
      .port = port("port"),
      .ttl = static_cast<uint8_t>(number(vxlan.Get("ttl"), "ttl", 1, 255)),
      .dscp = static_cast<int>(number(vxlan.Get("dscp"), "dscp", -1, 63)),
      .dont_fragment = boolean(vxlan.Get("df"), "df"),
      .udp_checksum = boolean(vxlan.Get("udpChecksum"), "udpChecksum"),
      .first_source_port = port("firstSourcePort"),
      .last_source_port = port("lastSourcePort"),
      .underlay = static_cast<PortId>(number(vxlan.Get("underlay"), "underlay", 0, kMaxPorts - 1)),
      .prefix =
          static_cast<uint8_t>(number(vxlan.Get("prefix"), "prefix", 0,
                                      address(vxlan.Get("local"), "local").is_ipv4() ? 32 : 128)),
      .gateway = vxlan.Get("gateway").IsUndefined() ? IpAddress{}
                                                    : address(vxlan.Get("gateway"), "gateway"),
      .vlan = static_cast<uint16_t>(number(vxlan.Get("vlan"), "vlan", 0, 4094)),
      .mac = mac(vxlan.Get("mac")),
      .mtu = static_cast<uint16_t>(number(vxlan.Get("pathMtu"), "pathMtu", 576, UINT16_MAX)),
      .neighbors = static_neighbors(vxlan.Get("neighbors").As<Napi::Array>()),
  };
}

VxlanOptions vxlan_options(const Napi::Object& vxlan) {
  VxlanOptions options{
      .vni = static_cast<uint32_t>(number(vxlan.Get("vni"), "vni", 0, vxlan::kMaxVni)),
      .vtep = vtep_options(vxlan),
      .learn_remotes = boolean(vxlan.Get("learn"), "learn"),
      .split_horizon = boolean(vxlan.Get("splitHorizon"), "splitHorizon"),
      .answers = {.too_big = boolean(vxlan.Get("tellTooBig"), "tellTooBig"),
                  .suppress = boolean(vxlan.Get("suppress"), "suppress")},
  };
  const auto remotes = vxlan.Get("remotes").As<Napi::Array>();
  for (uint32_t i = 0; i < remotes.Length(); ++i) {
    options.remotes.push_back(address(remotes.Get(i), "remotes"));
  }
  return options;
}

void add_memif_options(const Napi::Object& memif, PortOptions& port) {
  const std::string role = text(memif.Get("role"), "role", 16);
  if (role != "server" && role != "client") {
    throw Napi::TypeError::New(memif.Env(), "role: must be server or client");
  }
  port.is_client = role == "client";
  port.place = memif_place(memif);
  if (const Napi::Value ip = memif.Get("ip"); !ip.IsNull()) {
    const auto station = ip.As<Napi::Object>();
    port.station = {.address = mac(station.Get("mac")), .gateway = mac(station.Get("gateway"))};
  }
  port.interface = memif_interface(memif);
  port.allowed = {ids(memif.Get("allowUsers"), "allowUsers"),
                  ids(memif.Get("allowGroups"), "allowGroups")};
  port.buffer_size =
      static_cast<uint32_t>(number(memif.Get("bufferSize"), "bufferSize", 64, 65535));
}

std::vector<uint64_t> addresses(const Napi::Array& list) {
  std::vector<uint64_t> numbers;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    numbers.push_back(mac_number(mac(list.Get(i))));
  }
  return numbers;
}

std::vector<std::string> texts(const Napi::Array& list, const char* name, size_t longest) {
  std::vector<std::string> all;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    all.push_back(text(list.Get(i), name, longest));
  }
  return all;
}

DeviceOptions device_options(const Napi::Object& device) {
  return {
      .devargs = text(device.Get("devargs"), "devargs", kMaxDevargs),
      .members = texts(device.Get("members").As<Napi::Array>(), "members", kMaxDevargs),
      .netns = text(device.Get("netns"), "netns", PATH_MAX),
      .interface = text(device.Get("interface"), "interface", IFNAMSIZ - 1),
      .makes_interface = boolean(device.Get("makesInterface"), "makesInterface"),
      .mac = mac_number(mac(device.Get("mac"))),
      .queues = static_cast<uint16_t>(number(device.Get("queues"), "queues", 1, kMaxQueues)),
      .ring_size =
          static_cast<uint16_t>(number(device.Get("ringSize"), "ringSize", 32, kMaxDeviceRing)),
      .mtu = static_cast<uint16_t>(number(device.Get("mtu"), "mtu", 0, kMaxDeviceMtu)),
      .promiscuous = boolean(device.Get("promiscuous"), "promiscuous"),
      .addresses = addresses(device.Get("addresses").As<Napi::Array>()),
  };
}

VethOptions veth_options(const Napi::Object& veth) {
  return {
      .netns = text(veth.Get("netns"), "netns", PATH_MAX),
      .interface = text(veth.Get("interface"), "interface", IFNAMSIZ - 1),
      .host = text(veth.Get("host"), "host", kLongestHost),
      .persistent = boolean(veth.Get("persistent"), "persistent"),
      .mac = mac_number(mac(veth.Get("mac"))),
      .mtu = static_cast<uint32_t>(number(veth.Get("mtu"), "mtu", kMinMtu, kMaxMtu)),
  };
}

TapOptions tap_options(const Napi::Object& tap) {
  return {
      .netns = text(tap.Get("netns"), "netns", PATH_MAX),
      .interface = text(tap.Get("interface"), "interface", IFNAMSIZ - 1),
      .persistent = boolean(tap.Get("persistent"), "persistent"),
      .setup = {.mac = mac_number(mac(tap.Get("mac"))),
                .mtu = static_cast<uint32_t>(number(tap.Get("mtu"), "mtu", kMinMtu, kMaxMtu))},
  };
}

}  // namespace

EndpointOptions endpoint_options(const Napi::Object& memif) {
  PortOptions port;
  add_memif_options(memif, port);
  memif::ClientOptions client = client_options(port, text(memif.Get("name"), "name", 31));
  return {.is_client = port.is_client,
          .place = std::move(port.place),
          .interface = std::move(port.interface),
          .allowed = std::move(port.allowed),
          .client = std::move(client)};
}

PortOptions port_options(const Napi::Object& options) {
  PortOptions port;
  port.bridge = static_cast<uint16_t>(number(options.Get("bridge"), "bridge", 1, kMaxBridges));
  port.mac_limit = static_cast<uint32_t>(number(options.Get("macLimit"), "macLimit", 0, kMaxMacs));
  port.max_frame = max_frame(options.Get("mtu"));
  port.polling = polling(options.Get("polling"));
  port.policy = policy_options(options.Get("policy").As<Napi::Object>());
  const std::string kind = text(options.Get("kind"), "kind", 32);
  if (kind == "memif") {
    add_memif_options(options.Get("memif").As<Napi::Object>(), port);
  } else if (kind == "vxlan") {
    port.vxlan = vxlan_options(options.Get("vxlan").As<Napi::Object>());
  } else if (kind == "ethdev") {
    port.device = device_options(options.Get("ethdev").As<Napi::Object>());
  } else if (kind == "tap") {
    port.tap = tap_options(options.Get("tap").As<Napi::Object>());
  } else if (kind == "veth") {
    port.veth = veth_options(options.Get("veth").As<Napi::Object>());
  } else {
    throw Napi::TypeError::New(options.Env(), "kind: must be memif, vxlan, ethdev, tap or veth");
  }
  return port;
}

}  // namespace memswitch::binding
