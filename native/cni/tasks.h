// What the daemon has done in the runtime's stead, where the runtime's files are: the daemon may run in a container of its own.
#pragma once

#include "cni/daemon.h"

namespace memswitch::cni {

// Does what a message asks for and says how it ended.
//
//   run NAME INPUT ENV…    a plugin of CNI_PATH, with the environment so changed; STATUS OUTPUT ERRORS. STATUS is
//                          its exit status, `absent` where there is none of that name, or words
//   write PATH TEXT        a file, with its folders; '' or why not
//   remove PATH            likewise; one that is not there is no error
Message perform(const Message& task);

}  // namespace memswitch::cni
