#include "control/links.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "memif/fd.h"

namespace memswitch {

namespace {

struct Question {
  nlmsghdr header;
  ifinfomsg body;
};

// The kernel's own: its lengths are to be believed.
template <typename Visit>
void each_attribute(const rtattr* first, size_t size, Visit&& visit) {
  auto left = static_cast<int>(size);
  for (const rtattr* one = first; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
    visit(one->rta_type & NLA_TYPE_MASK, static_cast<const char*>(RTA_DATA(one)), RTA_PAYLOAD(one));
  }
}

uint32_t number_in(const char* data) {
  uint32_t value = 0;
  std::memcpy(&value, data, sizeof value);
  return value;
}

LinkState link_in(const nlmsghdr* message) {
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  LinkState link{.index = static_cast<uint32_t>(body->ifi_index),
                 .up = (body->ifi_flags & IFF_UP) != 0};
  each_attribute(IFLA_RTA(body), IFLA_PAYLOAD(message),
                 [&](int type, const char* data, size_t size) {
                   switch (type) {
                     case IFLA_IFNAME:
                       link.name = data;
                       break;
                     case IFLA_LINK:
                       link.peer = number_in(data);
                       break;
                     case IFLA_MTU:
                       link.mtu = number_in(data);
                       break;
                     case IFLA_ADDRESS:
                       for (size_t i = 0; size == 6 && i < size; ++i) {
                         link.mac = link.mac << 8 | static_cast<uint8_t>(data[i]);
                       }
                       break;
                     case IFLA_LINKINFO:
                       each_attribute(reinterpret_cast<const rtattr*>(data), size,
                                      [&](int inner, const char* text, size_t) {
                                        if (inner == IFLA_INFO_KIND) {
                                          link.kind = text;
                                        }
                                      });
                       break;
                   }
                 });
  return link;
}

// Sends it and takes answers until the last; those of a dump are many.
Status ask(uint16_t flags, int index, std::vector<LinkState>& links) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  Question question{.header = {.nlmsg_len = sizeof question,
                               .nlmsg_type = RTM_GETLINK,
                               .nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags),
                               .nlmsg_seq = 1,
                               .nlmsg_pid = 0},
                    .body = {.ifi_family = AF_UNSPEC,
                             .__ifi_pad = 0,
                             .ifi_type = 0,
                             .ifi_index = index,
                             .ifi_flags = 0,
                             .ifi_change = 0}};
  if (!socket || ::send(socket.get(), &question, sizeof question, 0) < 0) {
    return system_error("ask for interfaces");
  }
  std::vector<char> bytes(size_t{1} << 16);
  while (true) {
    const ssize_t length = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (length < 0) {
      return system_error("ask for interfaces");
    }
    auto left = static_cast<uint32_t>(length);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type != RTM_NEWLINK) {
        return {};  // the end of a dump, or an error: it went meanwhile
      }
      links.push_back(link_in(message));
      if (flags == 0) {
        return {};
      }
    }
  }
}

}  // namespace

Status list_links(std::vector<LinkState>& links) {
  return ask(NLM_F_DUMP, 0, links);
}

Status find_link(const std::string& name, LinkState& link) {
  std::vector<LinkState> found;
  const auto index = static_cast<int>(::if_nametoindex(name.c_str()));
  if (Status status = index == 0 ? Status{} : ask(0, index, found); !status.ok()) {
    return status;
  }
  if (found.empty()) {
    return refuse(Code::kNotFound,
                  "no interface \"" + name + "\" in this network namespace; see: ip link");
  }
  link = std::move(found.front());
  return {};
}

}  // namespace memswitch
