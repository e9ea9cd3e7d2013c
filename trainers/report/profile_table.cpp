#include "trainers/report/profile_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace lf {
namespace {

using nlohmann::ordered_json;

// A rest below this share of the whole is not worth a line.
constexpr double kLeastShare = 0.0005;

// What a phase's inner phases leave unexplained; clocks of a device and of its host may differ a little.
double other_seconds(const PhaseTime& time) {
  double rest = time.seconds;
  for (const PhaseTime& inner : time.inner) rest -= inner.seconds;
  return std::max(rest, 0.0);
}

double share(double seconds, const PhaseTime& all) { return all.seconds > 0 ? seconds / all.seconds : 0; }

double mean_milliseconds(const PhaseTime& time) {
  return time.calls > 0 ? 1e3 * time.seconds / static_cast<double>(time.calls) : 0;
}

// A phase's inner ones, the longest first.
std::vector<PhaseTime> sorted(std::vector<PhaseTime> times) {
  std::stable_sort(times.begin(), times.end(),
                   [](const PhaseTime& a, const PhaseTime& b) { return a.seconds > b.seconds; });
  return times;
}

struct Row {
  std::string name, calls, seconds, share, mean;
};

Row row_of(int depth, const PhaseTime& time, const PhaseTime& all) {
  std::array<char, 32> seconds, percent, mean;
  std::snprintf(seconds.data(), seconds.size(), "%.3f", time.seconds);
  std::snprintf(percent.data(), percent.size(), "%.1f %%", 100 * share(time.seconds, all));
  std::snprintf(mean.data(), mean.size(), "%.3f", mean_milliseconds(time));
  const bool counted = time.calls > 0;
  return {std::string(static_cast<size_t>(2 * depth), ' ') + time.name,
          counted ? std::to_string(time.calls) : "", seconds.data(), percent.data(),
          counted ? mean.data() : ""};
}

// The rows of a phase's inner ones, and of the rest.
void add_rows(std::vector<Row>& rows, int depth, const PhaseTime& time, const PhaseTime& all) {
  for (const PhaseTime& inner : depth == 0 ? time.inner : sorted(time.inner)) {
    rows.push_back(row_of(depth, inner, all));
    add_rows(rows, depth + 1, inner, all);
  }
  const double rest = other_seconds(time);
  if (!time.inner.empty() && share(rest, all) >= kLeastShare)
    rows.push_back(row_of(depth, {"other", 0, rest, {}}, all));
}

std::string padded(const std::string& word, size_t width, bool left) {
  const std::string space(width - word.size(), ' ');
  return left ? word + space : space + word;
}

}  // namespace

std::vector<std::string> profile_table(const PhaseTime& all) {
  std::vector<Row> rows{{"phase", "calls", "seconds", "share", "mean ms"}};
  add_rows(rows, 0, all, all);
  rows.push_back(row_of(0, {all.name, 0, all.seconds, {}}, all));
  constexpr std::array kColumns = {&Row::name, &Row::calls, &Row::seconds, &Row::share, &Row::mean};
  std::vector<std::string> lines(rows.size());
  for (const auto column : kColumns) {
    size_t width = 0;
    for (const Row& row : rows) width = std::max(width, (row.*column).size());
    const bool first = column == kColumns.front();
    for (size_t i = 0; i < rows.size(); ++i)
      lines[i] += (first ? "" : "  ") + padded(rows[i].*column, width, first);
  }
  for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return lines;
}

namespace {

ordered_json phases_json(const std::vector<PhaseTime>& times, const PhaseTime& all) {
  ordered_json list = ordered_json::array();
  for (const PhaseTime& time : times) {
    ordered_json phase = {{"phase", time.name},
                          {"calls", time.calls},
                          {"seconds", time.seconds},
                          {"share", share(time.seconds, all)},
                          {"mean_ms", mean_milliseconds(time)}};
    if (!time.inner.empty()) {
      phase["other_seconds"] = other_seconds(time);
      phase["phases"] = phases_json(time.inner, all);
    }
    list.push_back(phase);
  }
  return list;
}

}  // namespace

ordered_json profile_json(const PhaseTime& all) {
  return {{"seconds", all.seconds},
          {"other_seconds", other_seconds(all)},
          {"phases", phases_json(all.inner, all)}};
}

}  // namespace lf
