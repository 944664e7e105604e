// Captures under way: what they take (dataplane/capture.h), and the pcapng stream that each reader gets of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "control/pcapng.h"
#include "control/status.h"
#include "dataplane/capture.h"

namespace memswitch {

struct CaptureOptions {
  struct Interface {
    PortId port = kNoPort;
    std::string name{};
    std::string description{};
  };
  std::vector<Interface> ports;
  std::string application;  // who writes the stream
  std::string filter_text;  // what `filter` was made of
  std::vector<FilterStep> filter;
  uint32_t snaplen = kMaxFrame;
  uint64_t count = 0;  // ends after so many frames; 0: does not
  size_t ring_bytes = 0;
  bool rx = true;
  bool tx = true;
  bool only_drops = false;
};

struct CaptureStatus {
  uint32_t id = 0;
  uint64_t frames = 0;  // in the stream so far
  uint64_t lost = 0;    // found no room in a ring
};

// One reader's stream. Its own lock: reading must not hold up the switch.
class CaptureReader {
 public:
  CaptureReader(std::shared_ptr<Capture> capture, const CaptureOptions& options);

  // A ring for a worker that is about to start; one of its number that was removed has left his.
  void add_worker(uint16_t worker);

  // Appends what there is, about `most` bytes at most. False: that was the last.
  bool read(std::vector<std::byte>& to, size_t most);
  // No more frames will come: read() says so after those there are.
  void end();

  [[nodiscard]] CaptureStatus status() const;
  [[nodiscard]] std::shared_ptr<const Capture> capture() const { return capture_; }

 private:
  [[nodiscard]] CaptureRing* oldest() const;
  [[nodiscard]] uint64_t lost() const;
  void finish(std::vector<std::byte>& to);

  mutable std::mutex lock_;
  const std::shared_ptr<Capture> capture_;
  PcapngWriter writer_;
  std::map<PortId, uint32_t> interfaces_;
  const uint64_t count_;
  uint64_t frames_ = 0;
  uint64_t lost_told_ = 0;
  bool begun_ = false;
  bool ending_ = false;
  bool finished_ = false;
};

// Callers hold the switch's lock.
class Captures {
 public:
  static constexpr size_t kMost = 16;

  Status add(const CaptureOptions& options, uint16_t workers, uint32_t& id);
  [[nodiscard]] std::shared_ptr<CaptureReader> find(uint32_t id) const;
  void add_worker(uint16_t worker);
  // The ports that it looked on at; they must be told.
  std::vector<PortId> remove(uint32_t id);
  // A port has gone: captures of no other port end.
  void forget(PortId port);

  [[nodiscard]] std::vector<std::shared_ptr<const Capture>> of(PortId port) const;
  [[nodiscard]] std::vector<CaptureStatus> status() const;
  // Of all that there ever were.
  [[nodiscard]] CaptureStatus total() const;

 private:
  struct Entry {
    std::shared_ptr<CaptureReader> reader;
    std::set<PortId> ports;
  };

  std::map<uint32_t, Entry> entries_;
  uint32_t last_ = 0;
  CaptureStatus gone_{};  // sums over those removed
};

}  // namespace memswitch
