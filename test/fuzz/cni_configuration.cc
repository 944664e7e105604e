// What the CNI plugin reads of a network's configuration by itself. Input: the configuration; its first byte says how long the
// name that is looked for is, which follows.
#include <algorithm>
#include <string>

#include "cni/configuration.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch::cni;

void cni_configuration(Bytes bytes) {
  Input input(bytes);
  std::string name(input.take<uint8_t>() % 16, '\0');
  input.take(name.data(), name.size());
  const size_t used = std::min(bytes.size(), name.size() + 1);
  const std::string json(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
  const std::string found = text_member(json, name);
  hold(found.size() < std::max<size_t>(json.size(), 1), "a text is shorter than what it is in");

  // What is written as a text is read as what it was, where it is UTF-8 as JSON is; else with U+FFFD in it.
  const auto read = [](const std::string& text) {
    return text_member("{\"other\":{\"a\":\"no\"},\"a\":" + quoted(text) + "}", "a");
  };
  const std::string once = read(json);
  const bool is_ascii = std::ranges::all_of(json, [](char letter) { return letter >= 0; });
  hold(is_ascii ? once == json : read(once) == once, "what is quoted is read again");
}

}  // namespace fuzz
