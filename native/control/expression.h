// Filters as people write them: tcpdump's expressions (man 7 pcap-filter), compiled by libpcap. It is loaded when the
// first is asked for; a switch without it does all but this.
#pragma once

#include <string>
#include <vector>

#include "control/status.h"
#include "dataplane/filter.h"

namespace memswitch {

// Compiles for Ethernet frames. May take long: an expression can name hosts, which are looked up. Any thread.
Status compile_filter(const std::string& expression, uint32_t snaplen,
                      std::vector<FilterStep>& program);

}  // namespace memswitch
