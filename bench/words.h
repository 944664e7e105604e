// Commands as words: NAME=VALUE.
#pragma once

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

namespace memswitch::bench {

inline uint32_t number(const std::string& text) {
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

// What a command asks for, by name.
class Words {
 public:
  explicit Words(std::istringstream& line) {
    for (std::string word; line >> word;) {
      const size_t equals = word.find('=');
      values_[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
    }
  }
  [[nodiscard]] std::string text(const char* name, const char* otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  [[nodiscard]] double real(const char* name, const char* otherwise) const {
    return std::strtod(text(name, otherwise).c_str(), nullptr);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace memswitch::bench
