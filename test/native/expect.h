// What the native tests need of a framework: tests that register themselves, checks that say what they got, rows that name
// themselves, visible skips.
//
//   TEST("an unknown destination goes to all but its source") { EXPECT_EQ(arrived, 3); }
//
// Registration is by static objects. That is safe here and only here: test files are linked into the executable as
// objects, never through a library, from which the linker would drop what nobody names.
#pragma once

#include <chrono>
#include <concepts>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace expect {

struct Test {
  const char* name;
  const char* file;
  void (*body)();
};

std::vector<Test>& tests();

struct Registered {
  Registered(const char* name, const char* file, void (*body)()) {
    tests().push_back({name, file, body});
  }
};

// Thrown to leave a test; what happened is noted before.
struct Failed {};
struct Skipped {
  std::string why;
};

// Notes a failure of the running test and goes on: for destructors and for checks after which others still make sense.
void note(const char* file, int line, const std::string& text);
[[noreturn]] void fail(const char* file, int line, const std::string& text);
[[noreturn]] void skip(const std::string& why);

// Names what is being checked, such as the row of a table, in failures of its scope.
class Row {
 public:
  explicit Row(std::string what);
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;
  ~Row();
};

template <typename T>
std::string show(const T& value) {
  std::ostringstream out;
  if constexpr (std::same_as<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (sizeof(T) == 1 && std::integral<T>) {
    out << static_cast<int>(value);
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    out << '"' << std::string_view(value) << '"';
  } else {
    out << value;
  }
  return out.str();
}

template <typename Got, typename Wanted>
bool same(const Got& got, const Wanted& wanted) {
  if constexpr (std::integral<Got> && std::integral<Wanted> && !std::same_as<Got, bool>) {
    return std::cmp_equal(got, wanted);
  } else {
    return got == wanted;
  }
}

template <typename Got, typename Wanted>
void equal(const Got& got, const Wanted& wanted, const char* what, const char* file, int line) {
  if (!same(got, wanted)) {
    fail(file, line,
         std::string(what) + "\n      expected " + show(wanted) + "\n      got      " + show(got));
  }
}

inline void contains(std::string_view got, std::string_view wanted, const char* what,
                     const char* file, int line) {
  if (got.find(wanted) == std::string_view::npos) {
    fail(file, line,
         std::string(what) + "\n      expected a text with " + show(wanted) + "\n      got " +
             show(got));
  }
}

// Looks until `done` or the time is over. Sanitizers and busy machines are slow: the time is generous, and a test that
// passes never waits for all of it.
template <typename Done>
bool within(std::chrono::milliseconds time, Done done) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) {
      return done();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// For machines that do ten things at once; nothing that goes well waits for so long.
inline constexpr std::chrono::milliseconds kPatience{60'000};

}  // namespace expect

#define EXPECT_CONCAT_(a, b) a##b
#define EXPECT_CONCAT(a, b) EXPECT_CONCAT_(a, b)

#define TEST(name) EXPECT_TEST(name, __COUNTER__)
#define EXPECT_TEST(name, n)                                                                \
  static void EXPECT_CONCAT(test_, n)();                                                    \
  static const ::expect::Registered EXPECT_CONCAT(registered_, n){name, __FILE__,           \
                                                                  EXPECT_CONCAT(test_, n)}; \
  static void EXPECT_CONCAT(test_, n)()

#define EXPECT(condition)                                         \
  do {                                                            \
    if (!(condition)) {                                           \
      ::expect::fail(__FILE__, __LINE__, "expected " #condition); \
    }                                                             \
  } while (false)

#define EXPECT_EQ(got, wanted) ::expect::equal(got, wanted, #got, __FILE__, __LINE__)
#define EXPECT_CONTAINS(got, wanted) ::expect::contains(got, wanted, #got, __FILE__, __LINE__)
// Sooner or later, at the latest after kPatience.
#define EXPECT_SOON(condition)                                                 \
  do {                                                                         \
    if (!::expect::within(::expect::kPatience, [&] { return (condition); })) { \
      ::expect::fail(__FILE__, __LINE__, "expected before long " #condition);  \
    }                                                                          \
  } while (false)
#define SKIP(why) ::expect::skip(why)
