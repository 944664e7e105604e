// Doing something in another network namespace.
#pragma once

#include <functional>
#include <string>

#include "control/status.h"
#include "memif/fd.h"

namespace memswitch {

// Runs `action` there: a name as of `ip netns`, a path, or a process id; '' is our own.
Status in_namespace(const std::string& netns, const std::function<Status()>& action);

// A descriptor of it; none when it is not there. Not for '', which is ours.
UniqueFd open_namespace(const std::string& netns);

}  // namespace memswitch
