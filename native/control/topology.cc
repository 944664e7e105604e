#include "control/topology.h"

#include <charconv>
#include <filesystem>
#include <string>

#include "control/placement.h"

namespace memswitch {

// The folder of a CPU has a link `nodeN` to its node.
int node_of_cpu(int cpu) {
  std::error_code gone;
  const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
  for (const auto& entry : std::filesystem::directory_iterator(folder, gone)) {
    const std::string name = entry.path().filename();
    int node = kNoNode;
    if (name.starts_with("node") &&
        std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc{}) {
      return node;
    }
  }
  return kNoNode;
}

}  // namespace memswitch
