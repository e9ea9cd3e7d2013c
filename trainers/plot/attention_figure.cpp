// Figure 1: two log-log panels with one line per implementation; see attention_figure.h.
#include "trainers/plot/attention_figure.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "trainers/plot/svg_chart.h"

namespace lf {
namespace {

using nlohmann::json;

struct Measurement {
  std::string implementation;
  int64_t length = 0, window = 0;
  std::optional<double> forward_ms, backward_ms, peak_bytes;
};

std::optional<double> optional_number(const json& entry, size_t index, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || found->is_null()) return std::nullopt;
  CHECK(found->is_number(), "attention figure: entry ", index, ": ", key, " must be a number or null, got ",
        found->dump());
  return found->get<double>();
}

Measurement measurement_of(const json& entry, size_t index) {
  CHECK(entry.is_object(), "attention figure: entry ", index, " must be an object, got ", entry.type_name());
  const auto name = entry.find("implementation");
  CHECK(name != entry.end() && name->is_string(), "attention figure: entry ", index,
        " has no implementation name");
  const std::optional<double> length = optional_number(entry, index, "length");
  CHECK(length && *length >= 1, "attention figure: entry ", index, " has no positive length");
  const double window = optional_number(entry, index, "window").value_or(0);
  return {name->get<std::string>(),
          static_cast<int64_t>(*length),
          static_cast<int64_t>(window),
          optional_number(entry, index, "forward_ms"),
          optional_number(entry, index, "backward_ms"),
          optional_number(entry, index, "peak_bytes")};
}

// Full attention has no window, so its lines are one whatever window the benchmark was given.
bool has_window(const Measurement& m) { return m.implementation != "full" && m.window > 0; }

double milliseconds(const Measurement& m) {
  if (!m.forward_ms) return std::numeric_limits<double>::quiet_NaN();
  return *m.forward_ms + m.backward_ms.value_or(0);
}

double mebibytes(const Measurement& m) {
  return m.peak_bytes ? *m.peak_bytes / (1024.0 * 1024.0) : std::numeric_limits<double>::quiet_NaN();
}

// The order of the legend and of the colours, whatever the order of the measurements.
size_t rank_of(const std::string& implementation) {
  constexpr std::array order = {"fused", "chunks", "loop", "full"};
  return static_cast<size_t>(std::find(order.begin(), order.end(), implementation) - order.begin());
}

// Keyed by rank, window and name.
using Lines = std::map<std::tuple<size_t, int64_t, std::string>, std::vector<Measurement>>;

Lines lines_of(const std::vector<Measurement>& measurements, bool name_windows) {
  Lines lines;
  for (const Measurement& m : measurements) {
    std::string name = m.implementation;
    if (name_windows && has_window(m)) name += text(", window ", m.window);
    lines[{rank_of(m.implementation), name_windows && has_window(m) ? m.window : 0, name}].push_back(m);
  }
  for (auto& [name, line] : lines) {
    std::stable_sort(line.begin(), line.end(),
                     [](const auto& a, const auto& b) { return a.length < b.length; });
  }
  return lines;
}

Panel make_panel(const std::string& title, const std::string& label, const Lines& lines,
                 double (*value)(const Measurement&)) {
  Panel panel = {.title = title,
                 .x = {"sequence length (tokens)", Scale::kLog2, {}, {}},
                 .y = {label, Scale::kLog10, {}, {}},
                 .series = {},
                 .bands = {},
                 .notes = {}};
  int index = 0;
  for (const auto& [key, line] : lines) {
    Series series = {.name = std::get<std::string>(key),
                     .points = {},
                     .style = SeriesStyle::kLineAndMarkers,
                     .color = index,
                     .marker = index};
    for (const Measurement& m : line) {
      // A length that could not be measured ends nothing: the line joins its neighbours.
      if (value(m) > 0) series.points.push_back({static_cast<double>(m.length), value(m)});
    }
    panel.series.push_back(std::move(series));
    ++index;
  }
  return panel;
}

}  // namespace

void plot_attention_figure(const json& bench, const std::string& out_svg) {
  CHECK(bench.is_array() && !bench.empty(),
        "attention figure: needs a list of measurements that is not empty");
  std::vector<Measurement> measurements;
  for (size_t i = 0; i < bench.size(); ++i) measurements.push_back(measurement_of(bench[i], i));
  std::set<int64_t> windows;
  for (const Measurement& m : measurements) {
    if (has_window(m)) windows.insert(m.window);
  }
  const bool backward = std::any_of(measurements.begin(), measurements.end(),
                                    [](const auto& m) { return m.backward_ms.has_value(); });
  const Lines lines = lines_of(measurements, windows.size() > 1);
  const std::string what = backward ? "forward and backward" : "forward";
  Figure figure;
  figure.title = "Self-attention: time and memory by sequence length";
  figure.subtitle = what + (windows.size() == 1 ? text(", window ", *windows.begin()) : "");
  figure.description =
      "Two log-log panels by sequence length: milliseconds for " + what + ", and peak memory in MiB.";
  for (const auto& [key, line] : lines) {
    figure.description += text(" ", std::get<std::string>(key), ": ", line.front().length, " to ",
                               line.back().length, " tokens.");
  }
  figure.panels = {make_panel("Time", "milliseconds", lines, milliseconds),
                   make_panel("Memory", "peak MiB", lines, mebibytes)};
  figure.width = 1000, figure.height = 460;
  write_file_atomically(out_svg, render_svg(figure));
}

}  // namespace lf
