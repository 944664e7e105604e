// As many peers as a host has containers, on one socket: each passes frames, and nothing of them stays.
#include <dirent.h>
#include <sys/resource.h>

#include <fstream>

#include "memif/doorbell.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

constexpr uint16_t kPeers = 1000;

// Descriptors of a peer: its socket, region and two eventfds, and the switch's of the same.
constexpr rlim_t kDescriptors = 8;

void need_descriptors(rlim_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < count) {
    SKIP("needs a limit of " + std::to_string(count) + " open files");
  }
  limit.rlim_cur = std::max(limit.rlim_cur, count);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What a process must not leave behind.
struct Holdings {
  long descriptors = 0;
  long mapped_files = 0;

  static Holdings now() {
    Holdings holdings;
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) {
      ++holdings.descriptors;
    }
    ::closedir(folder);
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      holdings.mapped_files += line.find("memfd:") != std::string::npos ? 1 : 0;
    }
    return holdings;
  }
  bool operator==(const Holdings&) const = default;
};

// 02:00:00:00:HH:LL
Mac address(uint16_t n) {
  return uint64_t{2} | uint64_t{n} >> 8 << 32 | (uint64_t{n} & 0xff) << 40;
}

Bytes frame_between(uint16_t from, uint16_t to) {
  Bytes bytes = frame(0, 0, 64 + to % 200, static_cast<uint8_t>(from));
  const Mac addresses[] = {address(to), address(from)};
  std::memcpy(bytes.data(), &addresses[0], 6);
  std::memcpy(bytes.data() + 6, &addresses[1], 6);
  return bytes;
}

}  // namespace

TEST("a thousand peers on one socket all pass frames, and nothing of them stays") {
  need_descriptors((kPeers + 100) * kDescriptors);
  Fixture fixture(2);
  std::vector<PortId> ports;
  for (uint16_t i = 0; i < kPeers; ++i) {
    ports.push_back(fixture.add_port("all", {.place = {.socket = fixture.socket("all"), .id = i}}));
    EXPECT(fixture.sw.add_static_mac(fixture.bridge, address(i), ports[i]).ok());
  }
  memif::prepare_doorbells();  // this thread's, with which the stations ring
  const Holdings before = Holdings::now();
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<Station>> peers;
    for (uint16_t i = 0; i < kPeers; ++i) {
      peers.push_back(std::make_unique<Station>(
          fixture.socket("all"),
          memif::ClientOptions{.id = i, .log2_ring_size = 4, .buffer_size = 256}));
      EXPECT_EQ(peers.back()->refusal(), "");
    }
    for (uint16_t i = 0; i < kPeers; ++i) {
      const auto next = static_cast<uint16_t>((i + 1) % kPeers);
      const Bytes sent = frame_between(i, next);
      EXPECT(peers[i]->send(sent));
      EXPECT(peers[next]->expect_frame() == sent);
    }
    peers.clear();
    EXPECT_SOON(Holdings::now() == before);
  }
  for (const PortId port : ports) {
    EXPECT_EQ(fixture.count(port, &PortCounters::rx_frames), 2);
    EXPECT_EQ(fixture.count(port, &PortCounters::tx_frames), 2);
    EXPECT(fixture.sw.remove_port(port).ok());
  }
}
