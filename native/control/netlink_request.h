// One request to rtnetlink(7), put together and sent: a header, the family's own structure, attributes.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "control/status.h"
#include "memif/fd.h"

namespace memswitch {

class NetlinkRequest {
 public:
  template <typename Body>
  NetlinkRequest(uint16_t type, uint16_t flags, const Body& body) {
    header().nlmsg_type = type;
    header().nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    header().nlmsg_len = NLMSG_LENGTH(sizeof body);
    std::memcpy(NLMSG_DATA(&header()), &body, sizeof body);
  }

  // Attributes are few and short; room for them is never wanting.
  void add(uint16_t type, const void* data, size_t size) {
    rtattr* const attribute = next();
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(attribute), data, size);
    header().nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header().nlmsg_len) + RTA_LENGTH(size));
  }
  void add(uint16_t type, uint32_t value) { add(type, &value, sizeof value); }
  void add(uint16_t type, const std::string& text) { add(type, text.c_str(), text.size() + 1); }

  // Attributes that are added until leave() belong to this one; `body` comes before them.
  [[nodiscard]] size_t enter(uint16_t type, const void* body = nullptr, size_t size = 0) {
    const size_t at = NLMSG_ALIGN(header().nlmsg_len);
    add(type, body == nullptr ? "" : body, size);
    return at;
  }
  void leave(size_t at) {
    auto* const attribute = reinterpret_cast<rtattr*>(bytes_.data() + at);
    attribute->rta_len = static_cast<uint16_t>(header().nlmsg_len - at);
  }

  // 0, or the error number of the kernel's answer.
  [[nodiscard]] int send() {
    const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket || ::send(socket.get(), bytes_.data(), header().nlmsg_len, 0) < 0) {
      return errno;
    }
    alignas(nlmsghdr) std::array<std::byte, 4096> answer;
    const ssize_t length = ::recv(socket.get(), answer.data(), answer.size(), 0);
    const auto* told = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (length < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) ||
        told->nlmsg_type != NLMSG_ERROR) {
      return length < 0 ? errno : EPROTO;
    }
    return -reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(told))->error;
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  rtattr* next() {
    return reinterpret_cast<rtattr*>(bytes_.data() + NLMSG_ALIGN(header().nlmsg_len));
  }

  alignas(nlmsghdr) std::array<std::byte, 512> bytes_{};
};

// Of send().
inline Status netlink_status(int error, const std::string& what) {
  errno = error;
  return error == 0 ? Status{} : system_error(what);
}

}  // namespace memswitch
