// Runs the native tests.
//
//   native_test [--list] [FILTER]     only tests whose folder/file or name contains FILTER
//
// One line a test; the last is `N passed, N failed`, with `, N skipped` when some were. Exit status 1 when one failed or
// nothing matched.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "test/native/expect.h"

namespace expect {

namespace {

struct Running {
  std::vector<std::string> rows;
  std::vector<std::string> failures;
} running;

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void note(const char* file, int line, const std::string& text) {
  std::string where = std::string(file) + ":" + std::to_string(line) + ": ";
  for (const std::string& row : running.rows) {
    where += "[" + row + "] ";
  }
  running.failures.push_back(where + text);
}

void fail(const char* file, int line, const std::string& text) {
  note(file, line, text);
  throw Failed{};
}

void skip(const std::string& why) {
  throw Skipped{why};
}

Row::Row(std::string what) {
  running.rows.push_back(std::move(what));
}

Row::~Row() {
  running.rows.pop_back();
}

namespace {

struct Totals {
  unsigned passed = 0;
  unsigned failed = 0;
  unsigned skipped = 0;
};

// test/tables/mac_table.cc → tables/mac_table
std::string place(const Test& test) {
  std::string_view path = test.file;
  if (const size_t from = path.rfind("test/"); from != std::string_view::npos) {
    path.remove_prefix(from + std::strlen("test/"));
  }
  return std::string(path.substr(0, path.rfind('.')));
}

void run(const Test& test, Totals& totals) {
  running = {};
  std::string skipped;
  const auto start = std::chrono::steady_clock::now();
  try {
    test.body();
  } catch (const Failed&) {
  } catch (const Skipped& s) {
    skipped = s.why;
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                      std::chrono::steady_clock::now() - start)
                      .count();
  const bool failed = !running.failures.empty();
  const char* word = failed ? "FAIL" : skipped.empty() ? "ok  " : "skip";
  std::printf("%s %s: %s (%lld ms)%s%s\n", word, place(test).c_str(), test.name,
              static_cast<long long>(ms), skipped.empty() ? "" : ": ", skipped.c_str());
  for (const std::string& failure : running.failures) {
    std::printf("    %s\n", failure.c_str());
  }
  std::fflush(stdout);
  ++(failed ? totals.failed : skipped.empty() ? totals.passed : totals.skipped);
}

int run_all(std::string_view filter, bool list) {
  Totals totals;
  for (const Test& test : tests()) {
    const std::string full = place(test) + ": " + test.name;
    if (full.find(filter) == std::string::npos) {
      continue;
    }
    if (list) {
      std::printf("%s\n", full.c_str());
    } else {
      run(test, totals);
    }
  }
  if (list) {
    return 0;
  }
  std::printf("%u passed, %u failed", totals.passed, totals.failed);
  std::printf(totals.skipped > 0 ? ", %u skipped\n" : "\n", totals.skipped);
  return totals.failed > 0 || totals.passed + totals.skipped == 0 ? 1 : 0;
}

}  // namespace

}  // namespace expect

int main(int argc, char** argv) {
  const bool list = argc > 1 && std::strcmp(argv[1], "--list") == 0;
  const int rest = list ? 2 : 1;
  std::signal(SIGPIPE, SIG_IGN);
  return expect::run_all(argc > rest ? argv[rest] : "", list);
}
