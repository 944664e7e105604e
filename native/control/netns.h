// Doing something in another network namespace.
#pragma once

#include <functional>
#include <string>

#include "control/status.h"

namespace memswitch {

// Runs `action` there: a name as of `ip netns`, a path, or a process id; '' is our own.
Status in_namespace(const std::string& netns, const std::function<Status()>& action);

}  // namespace memswitch
