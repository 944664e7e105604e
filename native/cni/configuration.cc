#include "cni/configuration.h"

#include <nlohmann/json.hpp>

namespace memswitch::cni {

using Json = nlohmann::json;

std::string text_member(std::string_view json, std::string_view name) {
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) {
    return "";
  }
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string quoted(std::string_view text) {
  // Names of files may be any bytes; JSON is UTF-8.
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace memswitch::cni
