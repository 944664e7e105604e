// What the process says when it dies of a defect: one line, and then it dies as it would have, so that a supervisor sees the
// signal and starts it again. For daemons only: in somebody else's process the signals are not ours.
#pragma once

#include <string_view>

#include "tables/limits.h"

namespace memswitch {

// `prefix` goes before the line, at most 15 bytes: a priority for the journal.
void install_crash_handler(std::string_view prefix);

// How the line calls a port; '' forgets it.
void name_port(PortId port, std::string_view name);

}  // namespace memswitch
