// Filters: what libpcap makes of expressions, judged of frames; and programs that must not run.
#include "dataplane/filter.h"

#include "control/expression.h"
#include "test/native/fixture.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

// Ethernet, IPv4 and the first bytes of TCP or UDP.
Bytes packet(uint8_t protocol, uint16_t to_port, size_t length = 64) {
  Bytes bytes = frame(2, 1, length);
  const Bytes ip{0x45, 0, 0, 50, 0,  0, 0, 0, 64, protocol, 0, 0,
                 10,   0, 0, 1,  10, 0, 0, 2, 4,  210,      0, 0};
  std::copy(ip.begin(), ip.end(), bytes.begin() + 14);
  bytes[36] = static_cast<uint8_t>(to_port >> 8);
  bytes[37] = static_cast<uint8_t>(to_port);
  return bytes;
}

Filter::Verdict judge(const Filter& filter, const Bytes& bytes, size_t at_hand) {
  // To its exact size, so that a sanitizer sees every byte read behind it.
  const Bytes head(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at_hand));
  return filter.judge(reinterpret_cast<const std::byte*>(head.data()),
                      static_cast<uint32_t>(head.size()), static_cast<uint32_t>(bytes.size()));
}

Filter compile(const std::string& expression) {
  std::vector<FilterStep> program;
  const Status status = compile_filter(expression, 65535, program);
  EXPECT_EQ(status.message, "");
  return Filter(program);
}

}  // namespace

TEST("expressions of tcpdump's syntax") {
  struct {
    const char* expression;
    bool tcp80, udp53;
  } const rows[] = {
      {"tcp", true, false},
      {"tcp port 80", true, false},
      {"udp and dst port 53", false, true},
      {"host 10.0.0.2", true, true},
      {"src net 10.0.0.0/30 and not tcp", false, true},
      {"ether src 02:00:00:00:00:01", true, true},
      {"ether broadcast or ip6", false, false},
      {"len > 63 and ip[8] == 64", true, true},
      {"ip[2:2] / 5 = 10", true, true},
      {"vlan", false, false},
  };
  for (const auto& row : rows) {
    const expect::Row named(row.expression);
    const Filter filter = compile(row.expression);
    EXPECT_EQ(judge(filter, packet(6, 80), 64) == Filter::Verdict::kYes, row.tcp80);
    EXPECT_EQ(judge(filter, packet(17, 53), 64) == Filter::Verdict::kYes, row.udp53);
  }
}

TEST("a filter says when it depends on bytes that are not at hand") {
  const Filter filter = compile("ether[100] = 7");
  Bytes bytes = packet(6, 80, 200);
  bytes[100] = 7;
  EXPECT(judge(filter, bytes, 64) == Filter::Verdict::kMore);
  EXPECT(judge(filter, bytes, 101) == Filter::Verdict::kYes);
  EXPECT(judge(filter, packet(6, 80, 64), 64) == Filter::Verdict::kNo);
  EXPECT(judge(filter, packet(6, 80, 100), 100) == Filter::Verdict::kNo);
}

TEST("an expression with a mistake is refused in libpcap's words") {
  std::vector<FilterStep> program;
  for (const char* wrong : {"tcp prot 80", "(((", "host 1.2.3.4.5.6", "inbound"}) {
    const expect::Row named(wrong);
    const Status status = compile_filter(wrong, 65535, program);
    EXPECT(status.code == Code::kInvalid);
    EXPECT(status.message.starts_with("filter: "));
  }
}

TEST("programs that would read, write or jump where they must not, or never end, are found out") {
  const FilterStep accept{6, 0, 0, 1};
  struct {
    const char* what;
    std::vector<FilterStep> program;
  } const rows[] = {
      {"empty", {}},
      {"no end", {{0x28, 0, 0, 12}}},
      {"beyond the end", {{5, 0, 0, 1}, accept}},
      {"far beyond", {{5, 0, 0, 0xffffffff}, accept}},
      {"beyond when true", {{0x15, 1, 0, 0}, accept}},
      {"beyond when false", {{0x15, 0, 1, 0}, accept}},
      {"memory to load", {{0x60, 0, 0, 16}, accept}},
      {"memory to store", {{2, 0, 0, 0x80000000}, accept}},
      {"division by zero", {{0x34, 0, 0, 0}, accept}},
      {"remainder by zero", {{0x94, 0, 0, 0}, accept}},
      {"shift", {{0x64, 0, 0, 32}, accept}},
      {"unknown load", {{0x38, 0, 0, 0}, accept}},
      {"unknown calculation", {{0xb4, 0, 0, 0}, accept}},
      {"unknown jump", {{0x55, 0, 0, 0}, accept}},
      {"unknown return", {{0x0e, 0, 0, 0}}},
      {"more than a byte", {{0x0106, 0, 0, 1}}},
      {"too long", std::vector<FilterStep>(Filter::kMaxSteps + 1, accept)},
  };
  for (const auto& row : rows) {
    const expect::Row named(row.what);
    EXPECT(Filter::mistake(row.program) != nullptr);
  }
  EXPECT(Filter::mistake(std::vector<FilterStep>{accept}) == nullptr);
}
