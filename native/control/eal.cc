#include "control/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "control/drivers.h"

namespace memswitch {

namespace {

// Where there are no huge pages DPDK takes ordinary memory of a fixed size; what is not used of it costs nothing, for
// the kernel gives a page when it is first written to.
constexpr char kOrdinaryMemory_mb[] = "2048";
// Fewer free huge pages than this are not worth a start: a device takes 16 MB and up, and there is no way back.
constexpr uint64_t kLeastHuge_kb = 512 << 10;

// --- log -----------------------------------------------------------------------------------------------------------

// DPDK writes to a stream, from any thread. Its last lines become part of our messages; nothing goes to the terminal
// or to syslog.
class Log {
 public:
  void add(const char* text, size_t size) {
    const std::lock_guard guard(lock_);
    for (size_t i = 0; i < size; ++i) {
      if (text[i] != '\n') {
        line_ += text[i];
      } else {
        keep(std::exchange(line_, {}));
      }
    }
  }
  std::string take() {
    const std::lock_guard guard(lock_);
    std::string text;
    for (const std::string& line : std::exchange(lines_, {})) {
      text += (text.empty() ? "" : "; ") + line;
    }
    return text;
  }

 private:
  static constexpr size_t kLines = 4;

  // Not what only says once more that a device could not be had.
  void keep(std::string line) {
    if (line.empty() || line.starts_with("EAL: Driver cannot attach") ||
        line.starts_with("EAL: Failed to attach")) {
      return;
    }
    lines_.push_back(std::move(line));
    if (lines_.size() > kLines) {
      lines_.pop_front();
    }
  }

  std::mutex lock_;
  std::deque<std::string> lines_;
  std::string line_;
};

// Never destroyed: DPDK's threads log until the process ends.
Log& eal_log() {
  static auto& log = *std::make_unique<Log>().release();
  return log;
}

ssize_t write_log(void*, const char* text, size_t size) {
  eal_log().add(text, size);
  return static_cast<ssize_t>(size);
}

void redirect_log() {
  FILE* stream = ::fopencookie(
      nullptr, "w", {.read = nullptr, .write = write_log, .seek = nullptr, .close = nullptr});
  if (stream != nullptr) {
    std::setvbuf(stream, nullptr, _IOLBF, 0);
    rte_openlog_stream(stream);
  }
  rte_log_set_global_level(RTE_LOG_WARNING);
}

// --- arguments -----------------------------------------------------------------------------------------------------

uint64_t read_number(const std::filesystem::path& path) {
  uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

std::string read_text(const std::filesystem::path& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// Of all sizes, free now.
uint64_t free_huge_kb() {
  uint64_t sum = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    const uint64_t size = std::strtoull(name.c_str() + name.find('-') + 1, nullptr, 10);
    sum += size * read_number(entry.path() / "free_hugepages");
  }
  return sum;
}

// The CPUs that this process may use, as one place for DPDK's main thread: it would pin itself to one otherwise, and its
// helpers to the rest.
std::string all_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  std::string list;
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) {
      list.append(list.empty() ? "0@(" : ",").append(std::to_string(cpu));
    }
  }
  return list.append(")");
}

std::vector<std::string> arguments() {
  std::vector<std::string> list{
      "memswitch",
      "--no-telemetry",  // no socket, no thread for it
      "--lcores=" + all_cpus(),
      // No PCI device but those that are asked for later: the list of the allowed is one that does not exist.
      "--allow=0000:00:00.0",
      // Given by name, so that not all there are get loaded.
      "-d",
      driver_path("bus_vdev"),
      "-d",
      driver_path("bus_pci"),
      "-d",
      driver_path("mempool_ring"),
  };
  // Virtual addresses for hardware too, which an IOMMU translates: memory is of one piece then (control/buffers.cc). DPDK
  // chooses them where there is one; without, hardware is driven only where the administrator has said so.
  if (read_text("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode") != "Y") {
    list.emplace_back("--iova-mode=va");
  }
  // No files, and no other process.
  if (free_huge_kb() < kLeastHuge_kb) {
    list.insert(list.end(), {"--no-shconf", "--no-huge", "-m", kOrdinaryMemory_mb});
  } else {
    list.emplace_back("--in-memory");
  }
  return list;
}

Status initialize() {
  redirect_log();
  std::vector<std::string> list = arguments();
  std::vector<char*> pointers;
  for (std::string& argument : list) {
    pointers.push_back(argument.data());
  }
  int result = -1;
  int error = 0;
  // DPDK pins and names the thread that starts it; Node's must stay as it is.
  std::thread([&] {
    result = rte_eal_init(static_cast<int>(pointers.size()), pointers.data());
    error = rte_errno;
  }).join();
  const std::string log = take_eal_log();
  if (result >= 0) {
    return {};
  }
  return refuse(error == EACCES || error == EPERM ? Code::kPermission : Code::kSystem,
                std::string("DPDK could not be started: ") +
                    (log.empty() ? rte_strerror(error) : log) +
                    "; run: memswitch doctor, then start the switch again");
}

}  // namespace

Status start_eal() {
  static const Status status = initialize();
  return status;
}

std::string take_eal_log() {
  return eal_log().take();
}

}  // namespace memswitch
