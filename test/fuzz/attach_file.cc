// The file by which a container learns how to attach. Input: its text.
#include <sstream>
#include <string>

#include "attach/options.h"
#include "dataplane/frame.h"
#include "memif/wire.h"
#include "test/fuzz/fuzz.h"

namespace fuzz {

using namespace memswitch;

void attach_file(Bytes bytes) {
  std::istringstream file(std::string(bytes.begin(), bytes.end()));
  AttachOptions options;
  const Status status = parse_attach_file(file, "/run/memif/net1.env", options);
  if (!status.ok()) {
    hold(status.message.starts_with("/run/memif/net1.env: "), "a refusal names the file");
    return;
  }
  hold(options.socket[0] == '/' || options.socket[0] == '@', "the socket's place is absolute");
  hold(options.secret.size() < memif::kSecretSize, "the secret fits its field");
  hold(!options.interface.empty() && options.interface.size() <= 15, "the kernel takes the name");
  hold(options.mtu >= kMinMtu && options.mtu <= kMaxMtu, "the kernel takes the MTU");
  hold((options.mac >> 40 & 1) == 0, "the address is one station's");
  hold(options.addresses.size() <= bytes.size() && options.routes.size() <= bytes.size(),
       "lists are as long as they were given");
}

}  // namespace fuzz
