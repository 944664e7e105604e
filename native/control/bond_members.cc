#include "control/bond_members.h"

#include <rte_ethdev.h>
#include <rte_version.h>

namespace memswitch {

namespace {

// DPDK's own words for it.
constexpr const char* kArgument =
    RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0) ? ",member=" : ",slave=";

}  // namespace

Status BondMembers::open(const std::vector<std::string>& devargs) {
  for (const std::string& member : devargs) {
    Probed probed;
    if (Status status = probe(member, probed); !status.ok()) {
      return status;
    }
    names_.push_back(name_in(member));
    members_.push_back(probed);
  }
  return {};
}

std::string BondMembers::arguments() const {
  std::string text;
  for (const std::string& name : names_) {
    text += kArgument + name;
  }
  return text;
}

void BondMembers::close() {
  for (const Probed& member : members_) {
    rte_eth_dev_stop(member.number);
    rte_eth_dev_close(member.number);
    rte_dev_remove(member.info.device);
  }
  members_.clear();
  names_.clear();
}

}  // namespace memswitch
