#include "binding/rows.h"

#include <algorithm>
#include <array>

namespace memswitch::binding {

namespace {

using Row = std::array<double, kRowStride>;

constexpr double kUp = 1;
constexpr double kDevice = 2;

Row row_of(Switch& from, const PortBrief& brief) {
  Row row{(brief.link ? kUp : 0) + (brief.is_device ? kDevice : 0),
          static_cast<double>(brief.attaches)};
  std::copy(brief.protocol_errors.begin() + 1, brief.protocol_errors.end(),
            row.begin() + kRowErrors);
  for (size_t w = 0; w < from.workers().size(); ++w) {
    const PortCounters& counters = from.workers().port_counters(w)[brief.id];
    const std::span all(&counters.rx_frames, kRowStride - kRowCounters);
    for (size_t c = 0; c < all.size(); ++c) {
      row[kRowCounters + c] += static_cast<double>(all[c].get());
    }
  }
  return row;
}

}  // namespace

std::vector<uint32_t> read_port_rows(Switch& from, std::span<double> rows) {
  std::vector<uint32_t> changed;
  Row sums{};
  for (const PortBrief& brief : from.port_briefs()) {
    const Row row = row_of(from, brief);
    const auto kept = rows.subspan(brief.id * kRowStride, kRowStride);
    if (!std::ranges::equal(row, kept)) {
      std::ranges::copy(row, kept.begin());
      changed.push_back(brief.id);
    }
    std::ranges::transform(sums, row, sums.begin(), std::plus());
  }
  std::ranges::copy(sums, rows.begin());
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
