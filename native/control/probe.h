// Finds the device that devargs name, and has its driver take it.
#pragma once

#include <rte_ethdev.h>

#include <string>

#include "control/status.h"

namespace memswitch {

struct Probed {
  uint16_t number = RTE_MAX_ETHPORTS;  // DPDK's of its port
  rte_eth_dev_info info{};
};

Status probe(const std::string& devargs, Probed& probed);

// What devargs begin with: a PCI address, or a virtual device's name.
std::string name_in(const std::string& devargs);

// What the driver has logged says more than its number: many say -1, which reads as EPERM, to everything.
Status driver_error(const std::string& what, const std::string& name, int error);

}  // namespace memswitch
