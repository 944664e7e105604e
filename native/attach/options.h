// What `memswitch-attach` is asked to do: by its command line, and by the file that lies beside a container's socket
// (switch/attach/attach-file.ts). The command line has the last word.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "control/status.h"

namespace memswitch {

struct AttachOptions {
  std::string socket;
  uint32_t id = 0;
  std::string secret;
  std::string interface = "memif0";
  uint64_t mac = 0;  // 0: made up by the kernel
  uint32_t mtu = 1500;
  uint16_t ring_size = 1024;
  std::vector<std::string> addresses;  // as 192.0.2.1/24
  std::vector<std::string> routes;     // as "0.0.0.0/0 192.0.2.254", or without a gateway
  std::string netns;
  bool serves = false;  // in the server's role
  bool wants_help = false;
};

inline constexpr char kAttachUsage[] =
    "usage: memswitch-attach SOCKET|FILE.env [options]\n"
    "Brings a memif socket up as a TAP interface, until SIGINT or SIGTERM.\n"
    "\n"
    "  --id N              interface id on the socket (0)\n"
    "  --secret TEXT       what the switch asks for; MEMIF_SECRET in the environment hides it from "
    "ps\n"
    "  --interface NAME    of the TAP interface (memif0)\n"
    "  --mac MAC           its address (made up by the kernel)\n"
    "  --mtu BYTES         (1500)\n"
    "  --ip ADDRESS/BITS   may be given several times\n"
    "  --route 'NET [GATEWAY]'   likewise\n"
    "  --netns NAME        network namespace of the interface (our own)\n"
    "  --ring-size N       descriptors of each ring, a power of two (1024)\n"
    "  --role client|server      who serves the socket: the switch, or we (client)\n";

// A refusal says which argument, or which line, and why.
Status parse_attach_options(int argc, char** argv, AttachOptions& options);

// The file's text; `path` is where it lies, and names it in a refusal. Lines that mean nothing are passed over.
Status parse_attach_file(std::istream& file, const std::string& path, AttachOptions& options);

}  // namespace memswitch
