// The devices that a bonding device joins. DPDK's driver wants them there before it; and they are no ports of their own.
#pragma once

#include <string>
#include <vector>

#include "control/probe.h"
#include "control/status.h"

namespace memswitch {

class BondMembers {
 public:
  // Each by its devargs. What was opened before one that fails stays, until close().
  Status open(const std::vector<std::string>& devargs);
  // What the bonding device is to be told of them, to be put behind its devargs.
  [[nodiscard]] std::string arguments() const;
  [[nodiscard]] const std::vector<Probed>& all() const { return members_; }
  // After the bonding device.
  void close();

 private:
  std::vector<std::string> names_;
  std::vector<Probed> members_;
};

}  // namespace memswitch
