#include "cni/configuration.h"

#include <cstdio>
#include <optional>

namespace memswitch::cni {

namespace {

// What stands behind a backslash, but for numbers of characters: no path needs them.
std::optional<char> unescaped(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/':
      return letter;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return std::nullopt;
  }
}

// Reads the text whose opening quote is at `at`, and leaves `at` at the closing one, or at the end. One with an escape that is
// not known reads as ''.
std::string read_text(std::string_view json, size_t& at) {
  std::string text;
  bool is_known = true;
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] != '\\') {
      text += json[at];
    } else if (++at < json.size()) {
      const std::optional<char> letter = unescaped(json[at]);
      is_known = is_known && letter.has_value();
      text += letter.value_or('?');
    }
  }
  return is_known && at < json.size() ? text : "";
}

}  // namespace

std::string text_member(std::string_view json, std::string_view name) {
  std::string found;
  std::string last;  // the text read last of the outermost object
  bool is_value = false;
  size_t depth = 0;
  for (size_t at = 0; at < json.size(); ++at) {
    const char letter = json[at];
    if (letter == '"') {
      std::string text = read_text(json, at);
      if (depth == 1 && is_value && last == name) {
        found = text;
      } else if (depth == 1 && !is_value) {
        last = std::move(text);
      }
    } else if (letter == '{' || letter == '[') {
      ++depth;
    } else if (letter == '}' || letter == ']') {
      depth -= depth > 0;
    } else if (depth == 1 && (letter == ':' || letter == ',')) {
      is_value = letter == ':';
      if (is_value && last == name) {
        found.clear();  // of two of one name the last is taken
      }
    }
  }
  return found;
}

std::string quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      quoted += {'\\', letter};
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      char escape[7];
      std::snprintf(escape, sizeof escape, "\\u%04x", letter);
      quoted += escape;
    } else {
      quoted += letter;
    }
  }
  return quoted + '"';
}

}  // namespace memswitch::cni
