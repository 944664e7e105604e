#include "binding/interfaces.h"

#include <net/if.h>

#include <climits>

#include "binding/convert.h"
#include "control/netlink.h"
#include "control/netns.h"

namespace memswitch::binding {

namespace {

std::string netns(const Napi::CallbackInfo& info) {
  return text(info[0], "netns", PATH_MAX);
}

std::string name(const Napi::CallbackInfo& info) {
  return text(info[1], "name", IFNAMSIZ - 1);
}

Prefix prefix(const Napi::Value& value, const char* name) {
  Prefix parsed;
  if (!parse_prefix(text(value, name, 64), parsed)) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": must be as 192.0.2.1/24");
  }
  return parsed;
}

InterfaceSetup setup_of(const Napi::Object& wanted) {
  InterfaceSetup setup{
      .mac = mac_number(mac(wanted.Get("mac"))),
      .mtu = static_cast<uint32_t>(number(wanted.Get("mtu"), "mtu", 0, kMaxMtu)),
      .name = text(wanted.Get("name"), "name", IFNAMSIZ - 1),
  };
  const auto addresses = wanted.Get("addresses").As<Napi::Array>();
  for (uint32_t i = 0; i < addresses.Length(); ++i) {
    setup.addresses.push_back(prefix(addresses.Get(i), "addresses"));
  }
  const auto routes = wanted.Get("routes").As<Napi::Array>();
  for (uint32_t i = 0; i < routes.Length(); ++i) {
    const auto route = routes.Get(i).As<Napi::Object>();
    InterfaceRoute& added = setup.routes.emplace_back();
    added.destination = prefix(route.Get("destination"), "destination");
    if (!text(route.Get("gateway"), "gateway", 64).empty()) {
      added.gateway = address(route.Get("gateway"), "gateway");
    }
  }
  return setup;
}

void set_up(const Napi::CallbackInfo& info) {
  const InterfaceSetup setup = setup_of(info[2].As<Napi::Object>());
  const std::string which = name(info);
  check(info.Env(), in_namespace(netns(info), [&] { return set_up_interface(which, setup); }));
}

void move(const Napi::CallbackInfo& info) {
  const std::string which = name(info);
  const std::string to = text(info[2], "to", PATH_MAX);
  const std::string as = text(info[3], "as", IFNAMSIZ - 1);
  const UniqueFd there = open_namespace(to.empty() ? "/proc/self/ns/net" : to);
  check(info.Env(),
        !there ? system_error("enter network namespace " + to)
               : in_namespace(netns(info), [&] { return move_interface(which, there.get(), as); }));
}

void remove(const Napi::CallbackInfo& info) {
  const std::string which = name(info);
  check(info.Env(), in_namespace(netns(info), [&] { return remove_interface(which); }));
}

Napi::Object link_object(Napi::Env env, const LinkState& link) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", link.name);
  object.Set("index", link.index);
  object.Set("peer", link.peer);
  object.Set("kind", link.kind);
  object.Set("mac", Napi::BigInt::New(env, link.mac));
  object.Set("mtu", link.mtu);
  object.Set("up", link.up);
  return object;
}

// Of our own namespace, which may have thousands.
Napi::Value find(const Napi::CallbackInfo& info) {
  LinkState link;
  const Status status = find_link(text(info[0], "name", IFNAMSIZ - 1), link);
  if (status.code == Code::kNotFound) {
    return info.Env().Undefined();
  }
  check(info.Env(), status);
  return link_object(info.Env(), link);
}

Napi::Value list(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<InterfaceState> found;
  check(env, in_namespace(netns(info), [&] { return list_interfaces(found); }));
  Napi::Array all = Napi::Array::New(env);
  for (const InterfaceState& state : found) {
    Napi::Object object = link_object(env, state.link);
    Napi::Array addresses = Napi::Array::New(env);
    for (const Prefix& one : state.addresses) {
      addresses.Set(addresses.Length(), one.address.text() + "/" + std::to_string(one.length));
    }
    object.Set("addresses", addresses);
    all.Set(all.Length(), object);
  }
  return all;
}

}  // namespace

void define_interfaces(Napi::Env env, Napi::Object exports) {
  exports.Set("interfaces", Napi::Function::New(env, list, "interfaces"));
  exports.Set("ownInterface", Napi::Function::New(env, find, "ownInterface"));
  exports.Set("setUpInterface", Napi::Function::New(env, set_up, "setUpInterface"));
  exports.Set("moveInterface", Napi::Function::New(env, move, "moveInterface"));
  exports.Set("removeInterface", Napi::Function::New(env, remove, "removeInterface"));
}

}  // namespace memswitch::binding
