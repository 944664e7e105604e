// The frames of one burst, sorted by the port they leave by, in the order they came in: a burst goes to each port
// in one call, and no flow is reordered (a flooded frame keeps its place among unicast ones).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "dataplane/frame.h"
#include "tables/limits.h"

namespace memswitch {

class Groups {
  static constexpr auto kNumbers = [] {
    std::array<uint8_t, 2 * kBurst> numbers{};
    std::iota(numbers.begin(), numbers.end(), uint8_t{0});
    return numbers;
  }();

 public:
  struct Group {
    PortId port;
    uint16_t count;
    std::array<uint8_t, 2 * kBurst> which;  // the second half is slack for add()

    // Neighbours: always as many numbers as a burst has are written, which is a few wide stores without a loop.
    void add(uint16_t first, uint16_t frames) {
      if (frames == 1) {
        which[count] = static_cast<uint8_t>(first);
      } else {
        std::memcpy(&which[count], &kNumbers[first], kBurst);
      }
      count = static_cast<uint16_t>(count + frames);
    }
  };
  static_assert(kBurst <= 256);

  // The port's group, until clear().
  Group& of(PortId port) {
    uint16_t& place = place_[port];
    if (place == 0) {
      groups_[used_].port = port;
      groups_[used_].count = 0;
      place = ++used_;
    }
    return groups_[place - 1U];
  }

  [[nodiscard]] std::span<const Group> all() const { return {groups_.data(), used_}; }

  void clear() {
    for (const Group& group : all()) {
      place_[group.port] = 0;
    }
    used_ = 0;
  }

 private:
  uint16_t used_ = 0;
  std::array<uint16_t, kMaxPorts> place_{};  // of a port's group in groups_, plus one; 0: none
  std::vector<Group> groups_ = std::vector<Group>(kMaxPorts);
};

}  // namespace memswitch
