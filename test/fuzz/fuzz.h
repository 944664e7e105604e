// Fuzz targets: each is one function of bytes in a file of its own, test/fuzz/<target>.cc. libFuzzer drives it through
// driver.cc; native_test replays the corpus through the same function (replay.cc).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace fuzz {

using Bytes = std::span<const uint8_t>;

void server_handshake(Bytes input);
void client_handshake(Bytes input);
void ring(Bytes input);
void decapsulate(Bytes input);
void neighbor(Bytes input);
void too_big(Bytes input);
void anti_spoof(Bytes input);
void attach_file(Bytes input);
void handover(Bytes input);
void cni_configuration(Bytes input);
void vlan(Bytes input);
void filter(Bytes input);

// Takes the input apart from its front; where it ends, zeros follow.
class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  template <typename T>
  T take() {
    T value{};
    take(&value, sizeof value);
    return value;
  }
  void take(void* to, size_t size) {
    const size_t part = std::min(size, rest_.size());
    if (part > 0) {
      std::memcpy(to, rest_.data(), part);
    }
    rest_ = rest_.subspan(part);
  }

 private:
  Bytes rest_;
};

// The file that is being replayed, for the last words.
inline const char* replaying = "";

// What must hold whatever the input is.
inline void hold(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "%s: does not hold: %s\n", replaying, what);
    std::abort();
  }
}

}  // namespace fuzz
