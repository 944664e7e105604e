#include "dataplane/filter.h"

#include <array>

namespace memswitch {

namespace {

constexpr uint32_t kMemory = 16;  // words of scratch memory (BPF_MEMWORDS)

// The parts of a code, as net/bpf.h names them.
constexpr uint16_t kLd = 0x00, kLdx = 0x01, kSt = 0x02, kStx = 0x03, kAlu = 0x04, kJmp = 0x05,
                   kRet = 0x06, kMisc = 0x07;
constexpr uint16_t kHalf = 0x08, kByte = 0x10;  // of a load; else a word
constexpr uint16_t kImm = 0x00, kAbs = 0x20, kInd = 0x40, kMem = 0x60, kLen = 0x80, kMsh = 0xa0;
constexpr uint16_t kAdd = 0x00, kSub = 0x10, kMul = 0x20, kDiv = 0x30, kOr = 0x40, kAnd = 0x50,
                   kLsh = 0x60, kRsh = 0x70, kNeg = 0x80, kMod = 0x90, kXor = 0xa0;
constexpr uint16_t kJa = 0x00, kJeq = 0x10, kJgt = 0x20, kJge = 0x30, kJset = 0x40;
constexpr uint16_t kX = 0x08;  // the operand is X, not k
constexpr uint16_t kA = 0x10;  // of a return: A
constexpr uint16_t kTxa = 0x80;

constexpr uint16_t class_of(uint16_t code) {
  return code & 0x07;
}

// Where Linux's own programs find what is not in a frame (SKF_AD_OFF): libpcap's `inbound`, for one.
constexpr uint32_t kSpecial = 0x8000'0000;

const char* load_mistake(const FilterStep& step) {
  switch (step.code) {
    case kLd | kAbs:
    case kLd | kHalf | kAbs:
    case kLd | kByte | kAbs:
      return step.k < kSpecial ? nullptr : "it asks for what is not in a frame";
    case kLd | kInd:
    case kLd | kHalf | kInd:
    case kLd | kByte | kInd:
    case kLd | kImm:
    case kLd | kLen:
    case kLdx | kImm:
    case kLdx | kLen:
    case kLdx | kByte | kMsh:
      return nullptr;
    case kLd | kMem:
    case kLdx | kMem:
    case kSt:
    case kStx:
      return step.k < kMemory ? nullptr : "it uses memory that there is not";
    default:
      return "it has an instruction that is not known";
  }
}

const char* arithmetic_mistake(const FilterStep& step) {
  const uint16_t operation = step.code & 0xf0;
  const bool constant = (step.code & kX) == 0;
  if (operation > kXor) {
    return "it has an instruction that is not known";
  }
  if (constant && step.k == 0 && (operation == kDiv || operation == kMod)) {
    return "it divides by zero";
  }
  if (constant && step.k > 31 && (operation == kLsh || operation == kRsh)) {
    return "it shifts by more than there are bits";
  }
  return nullptr;
}

// `left`: steps after this one.
const char* jump_mistake(const FilterStep& step, size_t left) {
  switch (step.code & 0xf0) {
    case kJa:
      return (step.code & kX) == 0 && step.k < left ? nullptr : "it jumps out of itself";
    case kJeq:
    case kJgt:
    case kJge:
    case kJset:
      return step.jump_true < left && step.jump_false < left ? nullptr : "it jumps out of itself";
    default:
      return "it has an instruction that is not known";
  }
}

const char* step_mistake(const FilterStep& step, size_t left) {
  if (step.code > 0xff) {
    return "it has an instruction that is not known";
  }
  switch (class_of(step.code)) {
    case kAlu:
      return arithmetic_mistake(step);
    case kJmp:
      return jump_mistake(step, left);
    case kRet:
      return step.code == kRet || step.code == (kRet | kA)
                 ? nullptr
                 : "it has an instruction that is not known";
    case kMisc:
      return step.code == kMisc || step.code == (kMisc | kTxa)
                 ? nullptr
                 : "it has an instruction that is not known";
    default:
      return load_mistake(step);
  }
}

uint32_t calculate(uint16_t operation, uint32_t a, uint32_t operand) {
  switch (operation) {
    case kAdd:
      return a + operand;
    case kSub:
      return a - operand;
    case kMul:
      return a * operand;
    case kDiv:
      return a / operand;
    case kMod:
      return a % operand;
    case kOr:
      return a | operand;
    case kAnd:
      return a & operand;
    case kXor:
      return a ^ operand;
    case kLsh:
      return operand < 32 ? a << operand : 0;
    case kRsh:
      return operand < 32 ? a >> operand : 0;
    case kNeg:
    default:
      return 0U - a;
  }
}

bool holds(uint16_t jump, uint32_t a, uint32_t operand) {
  switch (jump) {
    case kJeq:
      return a == operand;
    case kJgt:
      return a > operand;
    case kJge:
      return a >= operand;
    default:
      return (a & operand) != 0;
  }
}

struct Machine {
  const std::byte* data;
  const uint32_t available;
  const uint32_t length;
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, kMemory> memory{};
  bool outside = false;  // a load went beyond what is at hand
  bool more = false;     // but not beyond the frame

  uint32_t load(uint64_t at, uint32_t bytes) {
    if (at + bytes > available) {
      outside = true;
      more = at + bytes <= length;
      return 0;
    }
    uint32_t value = 0;
    for (uint32_t i = 0; i < bytes; ++i) {
      value = value << 8 | std::to_integer<uint32_t>(data[at + i]);
    }
    return value;
  }

  void load(const FilterStep& step) {
    const uint32_t bytes = (step.code & kByte) != 0 ? 1 : (step.code & kHalf) != 0 ? 2 : 4;
    switch (step.code & 0xe0) {
      case kAbs:
        a = load(step.k, bytes);
        break;
      case kInd:
        a = load(uint64_t{x} + step.k, bytes);
        break;
      case kMem:
        a = memory[step.k];
        break;
      case kLen:
        a = length;
        break;
      default:
        a = step.k;
    }
  }

  void load_x(const FilterStep& step) {
    switch (step.code & 0xe0) {
      case kMsh:
        x = (load(step.k, 1) & 0xf) * 4;
        break;
      case kMem:
        x = memory[step.k];
        break;
      case kLen:
        x = length;
        break;
      default:
        x = step.k;
    }
  }
};

}  // namespace

const char* Filter::mistake(std::span<const FilterStep> program) {
  if (program.empty() || program.size() > kMaxSteps) {
    return program.empty() ? "it is empty" : "it is too long; split it into several captures";
  }
  for (size_t i = 0; i < program.size(); ++i) {
    if (const char* mistake = step_mistake(program[i], program.size() - i - 1)) {
      return mistake;
    }
  }
  return class_of(program.back().code) == kRet ? nullptr : "it does not end";
}

Filter::Verdict Filter::judge(const std::byte* data, uint32_t available, uint32_t length) const {
  if (program_.empty()) {
    return Verdict::kYes;
  }
  Machine machine{.data = data, .available = available, .length = length};
  for (const FilterStep* step = program_.data();; ++step) {
    const uint32_t operand = (step->code & kX) != 0 ? machine.x : step->k;
    switch (class_of(step->code)) {
      case kLd:
        machine.load(*step);
        break;
      case kLdx:
        machine.load_x(*step);
        break;
      case kSt:
        machine.memory[step->k] = machine.a;
        break;
      case kStx:
        machine.memory[step->k] = machine.x;
        break;
      case kAlu: {
        const uint16_t operation = step->code & 0xf0;
        if (operand == 0 && (operation == kDiv || operation == kMod)) {
          return Verdict::kNo;
        }
        machine.a = calculate(operation, machine.a, operand);
        break;
      }
      case kJmp: {
        const uint16_t jump = step->code & 0xf0;
        step += jump == kJa                       ? step->k
                : holds(jump, machine.a, operand) ? step->jump_true
                                                  : step->jump_false;
        break;
      }
      case kRet:
        return ((step->code & kA) != 0 ? machine.a : step->k) != 0 ? Verdict::kYes : Verdict::kNo;
      default:
        (step->code & kTxa) != 0 ? machine.a = machine.x : machine.x = machine.a;
    }
    if (machine.outside) {
      return machine.more ? Verdict::kMore : Verdict::kNo;
    }
  }
}

}  // namespace memswitch
