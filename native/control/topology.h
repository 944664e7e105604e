// Where the machine's CPUs are: from sysfs, as the kernel tells it.
#pragma once

#include <functional>

namespace memswitch {

// NUMA node of a CPU; kNoNode (control/placement.h) when nobody knows. -1 asks for no CPU.
using NodeOfCpu = std::function<int(int cpu)>;
int node_of_cpu(int cpu);

}  // namespace memswitch
