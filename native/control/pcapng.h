// Captured frames as a pcapng stream (draft-ietf-opsawg-pcapng): what Wireshark, tshark and tcpdump read. One section,
// one interface for each port, nanoseconds, and with each frame its direction and, if it was dropped, why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/capture_ring.h"

namespace memswitch {

class PcapngWriter {
 public:
  struct Section {
    std::string application;
    std::string filter;  // empty: none
    uint32_t snaplen = 0;
  };
  explicit PcapngWriter(Section section) : section_(std::move(section)) {}

  // Before begin(). Returns its number.
  uint32_t add_interface(std::string name, std::string description);

  // Each appends to `to`.
  void begin(std::vector<std::byte>& to) const;
  // `lost`: frames of the capture that found no room since the record before.
  void add(std::vector<std::byte>& to, const CaptureRecord& record, uint32_t interface,
           uint64_t lost);
  // `frames` and `lost` of all of it.
  void end(std::vector<std::byte>& to, uint64_t frames, uint64_t lost) const;

 private:
  struct Interface {
    std::string name;
    std::string description;
  };
  const Section section_;
  std::vector<Interface> interfaces_;
  uint64_t last_time_ = 0;
};

}  // namespace memswitch
