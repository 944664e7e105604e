// What a process says when it dies of a defect, and how it dies: as its supervisor must see it.
#include "control/crash.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "dataplane/worker.h"
#include "test/native/expect.h"

using namespace memswitch;

namespace {

class Crashing final : public Port {
 public:
  using Port::Port;
  void transmit(Burst&, std::span<const uint8_t>, uint16_t, PortCounters&) override {}
};

// Stands for a defect of the poll path.
class Poison final : public RxQueue {
 public:
  Poison(Port& port, int signal) : RxQueue(port), signal_(signal) {}
  bool receive(Burst&) override {
    ::raise(signal_);
    return false;
  }
  void release(const Burst&) override {}
  bool arm() override { return false; }
  void disarm() override {}
  [[nodiscard]] int wake_fd() const override { return -1; }

 private:
  const int signal_;
};

[[noreturn]] void die_polling(int signal) {
  install_crash_handler("<2>");
  name_port(7, "web");
  Shared shared;
  std::vector<PortCounters> counters(kMaxPorts);
  WorkerCounters own;
  Crashing port(7, nullptr, 0);
  Poison queue(port, signal);
  Worker worker(0, shared, counters.data(), own);
  const Plan plan{.slots = {&queue}};
  worker.plan.store(&plan);
  poll(worker);
  ::_exit(0);
}

struct Death {
  int status = 0;
  std::string said;
};

Death death_of_child(int signal) {
  int ends[2];
  EXPECT(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    die_polling(signal);
  }
  ::close(ends[1]);
  Death death;
  char bytes[256];
  for (ssize_t count = 0; (count = ::read(ends[0], bytes, sizeof bytes)) > 0;) {
    death.said.append(bytes, static_cast<size_t>(count));
  }
  ::close(ends[0]);
  EXPECT_EQ(::waitpid(child, &death.status, 0), child);
  return death;
}

}  // namespace

TEST(
    "a fatal signal in a worker is told in one line, with the port, and ends the process as it "
    "would have") {
  for (const auto& [signal, name] :
       {std::pair{SIGSEGV, "SIGSEGV"}, {SIGFPE, "SIGFPE"}, {SIGABRT, "SIGABRT"}}) {
    const expect::Row row(name);
    const Death death = death_of_child(signal);
    EXPECT(WIFSIGNALED(death.status));
    EXPECT_EQ(WTERMSIG(death.status), signal);
    EXPECT_EQ(death.said.find("<2>memswitch: died of " + std::string(name) + " in thread "), 0);
    EXPECT_CONTAINS(death.said, ", at frames of port web. ");
    EXPECT_EQ(death.said.find('\n'), death.said.size() - 1);
  }
}
