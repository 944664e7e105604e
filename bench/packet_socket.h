// A kernel interface as a load's port: AF_PACKET with both rings in shared memory, past the queueing discipline; as
// cheap as the kernel lets a program be. Offers what Peer offers. Receives only one EtherType, so that whatever else the
// kernel says on the wire (IPv6 solicitations) is nobody's frame; or none (0).
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "bench/peer.h"

namespace memswitch::bench {

class PacketSocket {
 public:
  // `largest` frame, in bytes.
  PacketSocket(const std::string& interface, uint32_t largest, uint16_t protocol = kEtherType)
      : slot_bytes_(largest > 1900 ? 16384 : 2048),
        socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    set(PACKET_VERSION, TPACKET_V2, interface);
    set(PACKET_QDISC_BYPASS, 1, interface);
    set(PACKET_IGNORE_OUTGOING, 1, interface);
    const tpacket_req ring{.tp_block_size = slot_bytes_ * 16,
                           .tp_block_nr = kSlots / 16,
                           .tp_frame_size = slot_bytes_,
                           .tp_frame_nr = kSlots};
    set(PACKET_RX_RING, ring, interface);
    set(PACKET_TX_RING, ring, interface);
    const size_t bytes = size_t{2} * kSlots * slot_bytes_;
    void* memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket_.get(), 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (memory == MAP_FAILED ||
        ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      die("packet socket: " + interface + ": " + std::strerror(errno));
    }
    rx_ = static_cast<std::byte*>(memory);
    tx_ = rx_ + size_t{kSlots} * slot_bytes_;
  }

  void look() {}

  std::byte* claim(uint32_t length) {
    tpacket2_hdr* slot = header(tx_, send_at_);
    if (status(slot).load(std::memory_order_acquire) != TP_STATUS_AVAILABLE) {
      return nullptr;
    }
    slot->tp_len = length;
    status(slot).store(TP_STATUS_SEND_REQUEST, std::memory_order_release);
    ++send_at_;
    return reinterpret_cast<std::byte*>(slot) + TPACKET2_HDRLEN - sizeof(sockaddr_ll);
  }

  // The kernel reads the slots within this call, so what was claimed may be written until then.
  void flush() {
    if (flushed_ != send_at_) {
      ::send(socket_.get(), nullptr, 0, MSG_DONTWAIT);
      flushed_ = send_at_;
    }
  }

  // The kernel takes frames in order and gives each slot back when the frame has been freed.
  bool taken() {
    return status(header(tx_, send_at_ - 1)).load(std::memory_order_acquire) == TP_STATUS_AVAILABLE;
  }

  template <typename Visit>
  uint32_t receive(Visit visit) {
    uint32_t frames = 0;
    for (; frames < kSlots; ++frames, ++receive_at_) {
      tpacket2_hdr* slot = header(rx_, receive_at_);
      if ((status(slot).load(std::memory_order_acquire) & TP_STATUS_USER) == 0) {
        break;
      }
      visit(reinterpret_cast<const std::byte*>(slot) + slot->tp_mac, slot->tp_len);
      status(slot).store(TP_STATUS_KERNEL, std::memory_order_release);
    }
    return frames;
  }

 private:
  static constexpr uint32_t kSlots = 1024;

  template <typename T>
  void set(int option, const T& value, const std::string& interface) {
    if (::setsockopt(socket_.get(), SOL_PACKET, option, &value, sizeof value) != 0) {
      die("packet socket: " + interface + ": option " + std::to_string(option) + ": " +
          std::strerror(errno));
    }
  }
  tpacket2_hdr* header(std::byte* ring, uint32_t position) const {
    return reinterpret_cast<tpacket2_hdr*>(ring + size_t{position % kSlots} * slot_bytes_);
  }
  static std::atomic_ref<uint32_t> status(tpacket2_hdr* slot) {
    return std::atomic_ref<uint32_t>(slot->tp_status);
  }

  uint32_t slot_bytes_;
  UniqueFd socket_;
  std::byte* rx_ = nullptr;
  std::byte* tx_ = nullptr;
  uint32_t send_at_ = 0;
  uint32_t flushed_ = 0;
  uint32_t receive_at_ = 0;
};

}  // namespace memswitch::bench
