// DPDK's environment (EAL) in this process: started once, with the first device, and never for memif alone.
#pragma once

#include <string>

#include "control/status.h"

namespace memswitch {

// Starts it, or tells again why it could not be started: DPDK takes only one try in a process.
Status start_eal();

// What DPDK has logged since the last call, its last lines, as one; '' if nothing.
std::string take_eal_log();

}  // namespace memswitch
