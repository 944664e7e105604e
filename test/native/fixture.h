// A real switch with its workers on threads of this process, as the addon runs it, and a bridge to put ports into.
#pragma once

#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "control/switch.h"
#include "test/native/station.h"

namespace memswitch::test {

class Fixture {
 public:
  explicit Fixture(size_t workers = 1, BridgeOptions bridge_options = {},
                   Polling polling = Polling::kAdaptive)
      : sw(std::vector<WorkerOptions>(workers, {.cpu = -1, .polling = polling}),
           [this](Event event) {
             const std::lock_guard guard(lock_);
             events_.push_back(std::move(event));
           }) {
    char name[] = "/tmp/memswitch-native-XXXXXX";
    folder = ::mkdtemp(name);
    bridge = add_bridge(bridge_options);
    for (uint16_t w = 0; w < workers; ++w) {
      run_worker(w);
    }
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() {
    sw.stop();
    threads_.clear();
    sw.close();
    ::rmdir(folder.c_str());
  }

  uint16_t add_worker(const WorkerOptions& options = {}) {
    uint16_t number = 0;
    EXPECT(sw.add_worker(options, number).ok());
    run_worker(number);
    return number;
  }
  // Of a worker that was removed.
  void join_worker(uint16_t number) { threads_.erase(number); }

  uint16_t add_bridge(BridgeOptions options = {}) {
    uint16_t number = 0;
    EXPECT(sw.add_bridge(options, number).ok());
    return number;
  }

  std::string socket(const std::string& name) const { return folder + "/" + name; }

  // A port served at socket(name).
  PortId add_port(const std::string& name, PortOptions options = {}) {
    PortId port = kNoPort;
    if (options.place.socket.empty()) {
      options.place.socket = socket(name);
    }
    if (options.bridge == 0) {
      options.bridge = bridge;
    }
    const Status status = sw.add_port(options, port);
    EXPECT_EQ(status.message, "");
    return port;
  }

  uint64_t count(PortId port, Counter PortCounters::*counter) {
    uint64_t sum = 0;
    for (size_t w = 0; w < sw.workers().size(); ++w) {
      sum += (sw.workers().port_counters(w)[port].*counter).get();
    }
    return sum;
  }
  uint64_t drops(PortId port, Drop reason) {
    uint64_t sum = 0;
    for (size_t w = 0; w < sw.workers().size(); ++w) {
      sum += sw.workers().port_counters(w)[port].drops[static_cast<size_t>(reason)].get();
    }
    return sum;
  }

  // Over all ports: frames that came or were made, less those that left or were dropped. 0, unless one is on its way.
  int64_t imbalance() {
    int64_t sum = 0;
    for (PortId port = 1; port < 64; ++port) {
      sum += static_cast<int64_t>(count(port, &PortCounters::rx_frames) +
                                  count(port, &PortCounters::copies));
      sum -= static_cast<int64_t>(count(port, &PortCounters::tx_frames));
      for (size_t reason = 0; reason < kDropReasons; ++reason) {
        sum -= static_cast<int64_t>(drops(port, static_cast<Drop>(reason)));
      }
    }
    return sum;
  }

  bool told(Event::Kind kind, PortId port = kNoPort) {
    const std::lock_guard guard(lock_);
    return std::ranges::any_of(events_, [&](const Event& event) {
      return event.kind == kind && (port == kNoPort || event.port == port);
    });
  }

  PortState state(PortId port) {
    for (PortState& state : sw.port_states()) {
      if (state.id == port) {
        return state;
      }
    }
    return {};
  }

  std::string folder;
  std::vector<Event> events_;
  std::mutex lock_;
  Switch sw;
  uint16_t bridge = 0;

 private:
  // Returns when it polls: what a worker opens for itself is there then, and no test takes it for something that stayed.
  void run_worker(uint16_t number) {
    threads_[number] =
        std::jthread([this, number] { static_cast<void>(sw.workers().run(number)); });
    EXPECT_SOON(sw.workers().counters(number).loops.get() > 0);
  }

  std::map<uint16_t, std::jthread> threads_;
};

// A frame from `source` to `destination`, filled with a pattern; addresses are 02:00:00:00:00:NN, 0xff is broadcast.
inline Bytes frame(uint8_t destination, uint8_t source, size_t length = 64, uint8_t seed = 0) {
  Bytes bytes(std::max<size_t>(length, 14));
  std::iota(bytes.begin(), bytes.end(), seed);
  const auto address = [&](size_t at, uint8_t last) {
    for (size_t i = 0; i < 6; ++i) {
      bytes[at + i] = last == 0xff ? 0xff : 0;
    }
    if (last != 0xff) {
      bytes[at] = 2;
      bytes[at + 5] = last;
    }
  };
  address(0, destination);
  address(6, source);
  bytes[12] = 0x08;
  bytes[13] = 0x00;
  bytes.resize(length);
  return bytes;
}

inline Mac mac(uint8_t last) {
  return uint64_t{2} | uint64_t{last} << 40;
}

}  // namespace memswitch::test
