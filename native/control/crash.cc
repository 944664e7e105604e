#include "control/crash.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "dataplane/worker.h"

namespace memswitch {

namespace {

constexpr std::array<int, 5> kFatal{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// Read by the handler at any moment: places are fixed, and a name that is half written is still a text.
using Name = std::array<char, 64>;
std::array<Name, kMaxPorts> names{};
std::array<char, 16> line_prefix{};

void put_name(Name& place, std::string_view name) {
  place.fill(0);
  std::copy_n(name.begin(), std::min(name.size(), place.size() - 1), place.begin());
}

// A line without allocation, for signal handlers.
class Line {
 public:
  Line& text(const char* more) {
    while (*more != '\0' && used_ < bytes_.size() - 1) {
      bytes_[used_++] = *more++;
    }
    return *this;
  }
  Line& number(uintptr_t value, unsigned base) {
    std::array<char, 21> digits{};
    size_t at = digits.size() - 1;
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value > 0);
    return text(&digits[at]);
  }
  void write() {
    bytes_[used_++] = '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, bytes_.data(), used_);
  }

 private:
  std::array<char, 512> bytes_;
  size_t used_ = 0;
};

const char* name_of(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "SIGABRT";
  }
}

// The handler was reset before we came (SA_RESETHAND): the signal that we raise ends the process as it would have.
void on_fatal(int signal, siginfo_t* info, void*) {
  std::array<char, 17> thread{};
  ::prctl(PR_GET_NAME, thread.data());
  Line line;
  line.text(line_prefix.data()).text("memswitch: died of ").text(name_of(signal));
  if (info->si_code > 0 && signal != SIGABRT) {
    line.text(" at address 0x").number(reinterpret_cast<uintptr_t>(info->si_addr), 16);
  }
  line.text(" in thread ").text(thread.data());
  if (const PortId port = polled_port(); port != kNoPort) {
    line.text(", at frames of port ");
    names[port][0] != 0 ? line.text(names[port].data()) : line.number(port, 10);
  }
  line.text(
          ". This is a defect of memswitch: a supervisor should start it again; report this line, "
          "and the core dump"
          " if there is one (coredumpctl info ")
      .number(static_cast<uintptr_t>(::getpid()), 10)
      .text(")");
  line.write();
  ::raise(signal);
}

}  // namespace

void install_crash_handler(std::string_view prefix) {
  std::copy_n(prefix.begin(), std::min(prefix.size(), line_prefix.size() - 1), line_prefix.begin());
  struct sigaction action {};
  action.sa_sigaction = on_fatal;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  for (const int signal : kFatal) {
    ::sigaction(signal, &action, nullptr);
  }
}

void name_port(PortId port, std::string_view name) {
  put_name(names[port], name);
}

}  // namespace memswitch
