// DPDK's drivers (PMDs): each a shared object that says in plain text, after `PMD_INFO_STRING= `, what it drives. Only
// those that somebody needs are loaded, for each brings memory and libraries with it.
#pragma once

#include <string>

#include "control/status.h"

namespace memswitch {

// Loads what drives the device that the devargs name: a virtual one by its driver's name, a PCI one by its identifiers
// in sysfs.
Status load_driver_of(const std::string& device);

// Where a library of DPDK's folder of drivers is, for example "bus_vdev".
std::string driver_path(const std::string& name);

// Loads a library of DPDK's folder of drivers. Again: does nothing.
Status load_driver(const std::string& name);

// Whether a device's name is a PCI address, and in the form that sysfs has: 0000:01:10.0.
bool is_pci_address(const std::string& device);

}  // namespace memswitch
