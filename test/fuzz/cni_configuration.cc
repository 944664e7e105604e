// What the CNI plugin reads of a network's configuration by itself. Input: the configuration; its first byte says how long the
// name that is looked for is, which follows.
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

  // What is written as a text is read as what it was, where all its characters have an escape that is known.
  std::string text = json.substr(0, json.find_first_of('\0'));
  std::erase_if(text, [](char letter) { return static_cast<unsigned char>(letter) < 0x20; });
  const std::string written = "{\"other\":{\"a\":\"no\"},\"a\":" + quoted(text) + "}";
  hold(text_member(written, "a") == text, "what is quoted is read again");
}

}  // namespace fuzz
