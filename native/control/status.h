// How a control operation ended. The binding turns a refusal into a SwitchError with the same code.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace memswitch {

enum class Code {
  kOk,
  kInvalid,
  kNotFound,
  kExists,
  kInUse,
  kLimit,
  kPermission,
  kClosed,
  kSystem
};

struct [[nodiscard]] Status {
  Code code = Code::kOk;
  std::string message;

  [[nodiscard]] bool ok() const { return code == Code::kOk; }
};

inline Status refuse(Code code, std::string message) {
  return {code, std::move(message)};
}

inline Status system_error(const std::string& what) {
  const Code code = errno == EACCES || errno == EPERM ? Code::kPermission : Code::kSystem;
  return {code, what + ": " + std::strerror(errno)};
}

}  // namespace memswitch
