// Frames that are too long for a tunnel, whatever is in them. Input: the longest that passes, then the frame.
#include "vxlan/too_big.h"

#include <vector>

#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

void too_big(Bytes bytes) {
  Input input(bytes);
  const auto longest = input.take<uint16_t>();
  // On the heap to its exact size, so that every byte read behind it is seen.
  const size_t rest = bytes.size() - std::min<size_t>(bytes.size(), sizeof longest);
  std::vector<std::byte> head(std::min<size_t>(rest, vxlan::kTooBigHead));
  input.take(head.data(), head.size());
  std::vector<std::byte> answer(vxlan::kMaxTooBig);
  const uint32_t length = vxlan::write_too_big(answer.data(), head, longest);
  hold(length <= answer.size(), "an answer fits");
  if (length == 0) {
    return;
  }
  hold(std::equal(answer.begin(), answer.begin() + 6, head.begin() + 6), "it goes to who sent");
  // Nobody answers an error with an error.
  std::vector<std::byte> again(vxlan::kMaxTooBig);
  answer.resize(length);
  hold(vxlan::write_too_big(again.data(), answer, 20) == 0, "and is not answered itself");
}

}  // namespace fuzz
