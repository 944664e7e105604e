// sd_notify(3), of which Node knows nothing: its sockets have no datagrams on UNIX paths.
#pragma once

#include <string>

#include "control/status.h"

namespace memswitch {

// One datagram to a supervisor's socket: a path, or '@name' for an abstract one.
Status notify_supervisor(const std::string& socket, const std::string& text);

}  // namespace memswitch
