// Packet filters: classic BPF (McCanne and Jacobson, 1993), the programs that libpcap makes of tcpdump's expressions. A
// program is checked once, before a worker sees it; afterwards running it needs no check but those of a frame's
// length, and takes at most one step for each of its instructions, because jumps only go forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace memswitch {

// As struct bpf_insn of libpcap has it.
struct FilterStep {
  uint16_t code;
  uint8_t jump_true;
  uint8_t jump_false;
  uint32_t k;
};

static_assert(sizeof(FilterStep) == 8);

class Filter {
 public:
  // 64 frames of a burst through the longest program take a worker some 100 us.
  static constexpr size_t kMaxSteps = 1024;

  // What is wrong with a program, in words; null: nothing.
  static const char* mistake(std::span<const FilterStep> program);

  // Takes all frames.
  Filter() = default;
  // `program` has no mistake.
  explicit Filter(std::vector<FilterStep> program) : program_(std::move(program)) {}

  enum class Verdict : uint8_t { kNo, kYes, kMore };
  // Of a frame of `length` bytes, of which the first `available` are at hand. kMore: it depends on what follows.
  [[nodiscard]] Verdict judge(const std::byte* data, uint32_t available, uint32_t length) const;

  [[nodiscard]] bool takes_all() const { return program_.empty(); }

 private:
  std::vector<FilterStep> program_;
};

}  // namespace memswitch
