// Questions and answers about neighbours (ARP and Neighbour Discovery), whatever is in them. Input: how much longer the frame
// is than the bytes that follow, then the frame.
#include "vxlan/neighbor.h"

#include <vector>

#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

namespace {

// What is sent is understood by who gets it, and says the same.
void hold_understood(std::span<const std::byte> frame, vxlan::NeighborMessage::Kind kind,
                     const vxlan::Station& sender, bool router) {
  const auto back = vxlan::read_neighbor(frame, static_cast<uint32_t>(frame.size()));
  hold(back && back->kind == kind, "what is sent is understood");
  hold(back->sender.address == sender.address && back->sender.mac == sender.mac &&
           back->sender.vlan == sender.vlan && back->router == router,
       "and says the same");
}

}  // namespace

void neighbor(Bytes bytes) {
  Input input(bytes);
  const auto more = input.take<uint8_t>();
  // On the heap to its exact size, so that every byte read behind it is seen.
  const size_t rest = bytes.size() - std::min<size_t>(bytes.size(), 1);
  std::vector<std::byte> head(std::min<size_t>(rest, vxlan::kMaxNeighborFrame));
  input.take(head.data(), head.size());

  const auto message = vxlan::read_neighbor(head, static_cast<uint32_t>(head.size() + more));
  if (!message) {
    return;
  }
  const vxlan::Station& sender = message->sender;
  hold(sender.mac != 0 && !is_group(sender.mac), "a neighbour is one station");
  hold(sender.vlan < 4096, "a VLAN has 12 bits");
  std::array<std::byte, vxlan::kMaxNeighborFrame> frame;
  const vxlan::Station self{message->target, 2, sender.vlan};
  uint32_t size = vxlan::write_answer(frame.data(), self, sender, message->router);
  hold(size <= frame.size(), "an answer fits");
  hold_understood(std::span(frame).first(size), vxlan::NeighborMessage::Kind::kAnswer, self,
                  message->router);
  size = vxlan::write_question(frame.data(), self, sender.address);
  hold(size <= frame.size(), "a question fits");
  hold_understood(std::span(frame).first(size), vxlan::NeighborMessage::Kind::kQuestion, self,
                  false);
}

}  // namespace fuzz
