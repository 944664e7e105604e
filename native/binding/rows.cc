#include "binding/rows.h"

#include <algorithm>
#include <array>
#include <bit>

namespace memswitch::binding {

namespace {

constexpr double kUp = 1;
constexpr double kDevice = 2;

std::span<const Counter> counters_of(Switch& from, size_t worker, PortId port) {
  return {&from.workers().port_counters(worker)[port].rx_frames, kRowTotal - kRowCounters};
}

using Row = std::array<double, kRowStride>;

Row row_of(Switch& from, const PortBrief& brief) {
  Row row{(brief.link ? kUp : 0) + (brief.is_device ? kDevice : 0),
          static_cast<double>(brief.attaches)};
  uint64_t total = brief.refusals;
  for (size_t w = 0; w < from.workers().size(); ++w) {
    for (const Counter& counter : counters_of(from, w, brief.id)) {
      total += counter.get();
    }
  }
  row[kRowTotal] = std::bit_cast<double>(total);
  return row;
}

bool is_same(const Row& row, std::span<const double> kept) {
  return row[0] == kept[0] && row[1] == kept[1] &&
         std::bit_cast<uint64_t>(row[kRowTotal]) == std::bit_cast<uint64_t>(kept[kRowTotal]);
}

void complete(Row& row, Switch& from, const PortBrief& brief) {
  std::copy(brief.protocol_errors.begin() + 1, brief.protocol_errors.end(),
            row.begin() + kRowErrors);
  for (size_t w = 0; w < from.workers().size(); ++w) {
    const auto counters = counters_of(from, w, brief.id);
    for (size_t c = 0; c < counters.size(); ++c) {
      row[kRowCounters + c] += static_cast<double>(counters[c].get());
    }
  }
}

}  // namespace

std::vector<uint32_t> read_port_rows(Switch& from, std::span<double> rows) {
  std::vector<uint32_t> changed;
  const auto sums = rows.first(kRowStride);
  const double membership = std::bit_cast<double>(from.membership());
  if (std::bit_cast<uint64_t>(sums[kRowTotal]) != std::bit_cast<uint64_t>(membership)) {
    std::ranges::fill(rows, 0);
    sums[kRowTotal] = membership;
  }
  from.each_port([&](const PortBrief& brief) {
    Row row = row_of(from, brief);
    const auto kept = rows.subspan(brief.id * kRowStride, kRowStride);
    if (is_same(row, kept)) {
      return;
    }
    complete(row, from, brief);
    for (size_t c = kRowCounters; c < kRowTotal; ++c) {
      sums[c] += row[c] - kept[c];
    }
    std::ranges::copy(row, kept.begin());
    changed.push_back(brief.id);
  });
  return changed;
}

Napi::Object row_layout(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("stride", static_cast<double>(kRowStride));
  object.Set("errors", static_cast<double>(kRowErrors));
  object.Set("counters", static_cast<double>(kRowCounters));
  return object;
}

}  // namespace memswitch::binding
