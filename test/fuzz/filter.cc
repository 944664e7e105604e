// Programs of filters, and a frame for them. Input: how many steps, the steps, how much of the frame is at hand, and the
// frame.
#include "dataplane/filter.h"

#include <vector>

#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

void filter(Bytes bytes) {
  Input input(bytes);
  const size_t count = std::min<size_t>(input.take<uint16_t>() % 64, bytes.size() / 8);
  std::vector<FilterStep> program(count);
  input.take(program.data(), count * sizeof(FilterStep));
  const size_t hidden = input.take<uint8_t>();
  const size_t used = std::min(bytes.size(), 3 + count * sizeof(FilterStep));
  // On the heap to its exact size, so that every byte read behind it is seen.
  std::vector<std::byte> frame(bytes.size() - used);
  input.take(frame.data(), frame.size());
  if (Filter::mistake(program) != nullptr) {
    return;
  }
  const Filter made(program);
  const auto length = static_cast<uint32_t>(frame.size());
  const Filter::Verdict whole = made.judge(frame.data(), length, length);
  hold(whole != Filter::Verdict::kMore, "of a whole frame there is no more");
  const auto part = static_cast<uint32_t>(std::min(frame.size(), hidden));
  std::vector<std::byte> head(frame.begin(), frame.begin() + part);
  const Filter::Verdict first = made.judge(head.data(), part, length);
  hold(first == Filter::Verdict::kMore || first == whole, "the beginning alone says the same");
}

}  // namespace fuzz
