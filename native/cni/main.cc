// The CNI plugin: a runtime starts it for each command, with the call in its environment and the network's configuration on its
// standard input (CNI specification, section 2). The daemon carries the call out; what it needs of the runtime's own files, such as
// the IPAM plugin, it asks back for (tasks.h).
//
// It is no script because it is started twice for every container, on hosts that are busy and may have no Node. Measured: 0.6 ms
// of CPU time a start, where a file for Node took 60; from start to end 2.1 ms at the median (p99 104), where that took 145 (p99
// 999), on two CPUs at a load of 10. A STATUS that asks the daemon: 3.0 ms.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cni/configuration.h"
#include "cni/daemon.h"
#include "cni/tasks.h"

namespace memswitch::cni {

namespace {

constexpr const char* kUsualSocket = "/run/memswitch/api.sock";
// The same as the daemon's (switch/attach/cni/call.ts), which need not run for VERSION.
constexpr const char* kVersions = R"(["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"])";
constexpr const char* kLatest = "1.1.0";
// Codes of the specification (section 5, Error): try again later; cannot ADD.
constexpr int kTryLater = 11;
constexpr int kUnavailable = 50;

std::string text_of(const char* text) {
  return text == nullptr ? "" : text;
}

std::string read_input() {
  std::string input;
  char part[65'536];
  for (ssize_t got = 0; (got = ::read(STDIN_FILENO, part, sizeof part)) > 0;) {
    input.append(part, static_cast<size_t>(got));
  }
  return input;
}

std::string socket_of(const std::string& input) {
  std::string socket = text_member(input, "api");
  if (socket.empty()) {
    socket = text_of(std::getenv("MEMSWITCH_API"));
  }
  return socket.empty() ? kUsualSocket : socket;
}

// The call: its input, then what the runtime has put into the environment.
Message call_of(const std::string& input) {
  Message call{input};
  std::erase(call[0], '\0');
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("CNI_")) {
      call.emplace_back(*entry);
    }
  }
  return call;
}

// The daemon's last word is `answer`, with the exit status and what belongs on standard output and error.
Status carry_out(Daemon& daemon, const Message& call, Message& answer) {
  Status status = daemon.send(call);
  while (status.ok()) {
    if (status = daemon.receive(answer); !status.ok()) {
      break;
    }
    if (answer.size() == 4 && answer[0] == "answer") {
      return {};
    }
    if (answer.empty()) {
      return refuse(Code::kSystem, "it says nothing");
    }
    status = daemon.send(perform(answer));
  }
  return status;
}

int tell_unreachable(const std::string& command, const std::string& input,
                     const std::string& socket, const Status& status) {
  const std::string version = text_member(input, "cniVersion");
  const std::string what = "no memswitch answers at " + socket + ": " + status.message;
  std::printf(
      "{\"cniVersion\":%s,\"code\":%d,\"msg\":%s,\"details\":\"start one with: memswitch run; its "
      "socket "
      "may be named by \\\"api\\\" in the configuration\"}\n",
      quoted(version.empty() ? kLatest : version).c_str(),
      command == "STATUS" ? kUnavailable : kTryLater, quoted(what).c_str());
  return 1;
}

int run() {
  const char* const command = std::getenv("CNI_COMMAND");
  if (command == nullptr) {
    std::printf(
        "memswitch-cni: attaches containers to memswitch; CNI versions %s\n"
        "A container runtime runs it: put it into a folder of CNI_PATH, for example "
        "/opt/cni/bin.\n",
        kVersions);
    return 0;
  }
  const std::string input = read_input();
  if (std::string_view(command) == "VERSION") {
    std::printf("{\"cniVersion\":\"%s\",\"supportedVersions\":%s}\n", kLatest, kVersions);
    return 0;
  }
  const std::string socket = socket_of(input);
  Daemon daemon;
  Message answer;
  Status status = daemon.connect(socket);
  if (status.ok()) {
    status = carry_out(daemon, call_of(input), answer);
  }
  if (!status.ok()) {
    return tell_unreachable(command, input, socket, status);
  }
  std::fputs(answer[2].c_str(), stdout);
  std::fputs(answer[3].c_str(), stderr);
  return std::atoi(answer[1].c_str());
}

}  // namespace

}  // namespace memswitch::cni

int main() {
  return memswitch::cni::run();
}
