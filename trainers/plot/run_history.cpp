// Reading of logs into curves; see run_history.h.
#include "trainers/plot/run_history.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr std::string_view kBitsPer = "bits_per_";

// The reader's state: the history so far and what must wait until the stages are known.
class HistoryReader {
 public:
  // `unit`: what bits are counted per; without one, losses are left in nats.
  HistoryReader(std::string path, RunHistory& run, std::optional<std::string> unit, std::string metric)
      : path_(std::move(path)), run_(run), unit_(std::move(unit)), metric_(std::move(metric)) {}

  void read(const LogRecord& record) {
    const auto event = record.fields.find("event");
    CHECK(event != record.fields.end() && event->is_string(), path_, ":", record.line,
          ": expected a record with the name of its \"event\"");
    const std::string name = event->get<std::string>();
    const std::optional<std::string> stage = stage_of(record.fields);
    const std::optional<double> step = number(record, "step");
    if (stage && step) enter(*stage, *step);
    if (name == "step" || name == "validation") {
      CHECK(step, path_, ":", record.line, ": the ", name, " record has no \"step\"");
      if (const std::optional<double> found = value(record, name))
        (name == "step" ? run_.training : run_.validation).push_back({*step, *found});
    } else if (name == "test") {
      if (const std::optional<double> found = value(record, name)) tests_.push_back({step, stage, *found});
    }
    if (step) last_step_ = *step;
  }

  void finish() {
    for (const Test& test : tests_) {
      double step = test.step.value_or(last_step_);
      for (const StageSpan& span : run_.stages) {
        if (!test.step && span.name == test.stage) step = span.to;
      }
      run_.tests.push_back({step, test.value});
    }
  }

 private:
  struct Test {
    std::optional<double> step;
    std::optional<std::string> stage;
    double value;
  };

  // Stages may be logged by number or by name.
  static std::optional<std::string> stage_of(const json& fields) {
    const auto stage = fields.find("stage");
    if (stage == fields.end() || stage->is_null()) return std::nullopt;
    return stage->is_string() ? stage->get<std::string>() : stage->dump();
  }

  // Extends the stage's span to the step; a test of an earlier stage returns to no span.
  void enter(const std::string& stage, double step) {
    const bool known = std::any_of(run_.stages.begin(), run_.stages.end(),
                                   [&](const StageSpan& span) { return span.name == stage; });
    if (!known) run_.stages.push_back({stage, last_step_, last_step_});
    if (run_.stages.back().name == stage) run_.stages.back().to = std::max(run_.stages.back().to, step);
  }

  std::optional<double> number(const LogRecord& record, const char* key) const {
    const auto found = record.fields.find(key);
    if (found == record.fields.end() || found->is_null()) return std::nullopt;
    try {
      return log_number(*found);
    } catch (const Error& error) {
      throw Error(text(path_, ":", record.line, ": ", key, ": ", error.what()));
    }
  }

  // What is drawn of a record; nothing where it has none: updates without a target, steps where a metric is
  // asked for.
  std::optional<double> value(const LogRecord& record, const std::string& event) const {
    if (!metric_.empty()) return event == "step" ? std::nullopt : number(record, metric_.c_str());
    for (const auto& item : record.fields.items()) {
      if (!item.key().starts_with(kBitsPer)) continue;
      const std::string unit = item.key().substr(kBitsPer.size());
      CHECK(unit_ == unit, path_, ":", record.line, ": bits per ", unit, ", but per ", *unit_, " before");
      if (const std::optional<double> bits = number(record, item.key().c_str())) return *bits;
    }
    CHECK(record.fields.contains("loss"), path_, ":", record.line,
          ": the record has neither \"bits_per_...\" nor \"loss\"");
    const std::optional<double> nats = number(record, "loss");
    return nats && unit_ ? *nats / std::numbers::ln2 : nats;
  }

  std::string path_;
  RunHistory& run_;
  std::optional<std::string> unit_;
  std::string metric_;
  std::vector<Test> tests_;
  double last_step_ = 0;
};

// What the bits of a log are counted per, which the first key that counts any names.
std::optional<std::string> unit_of(const std::vector<LogRecord>& records) {
  for (const LogRecord& record : records) {
    if (!record.fields.is_object()) continue;
    for (const auto& item : record.fields.items())
      if (item.key().starts_with(kBitsPer)) return item.key().substr(kBitsPer.size());
  }
  return std::nullopt;
}

std::string quantity_of(const std::optional<std::string>& unit, const std::string& metric) {
  if (metric.empty()) return unit ? "bits per " + *unit : "loss (nats)";
  return spaced(metric);
}

std::string name_of(const std::string& folder) {
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole.filename() : whole.parent_path().filename()).string();
}

}  // namespace

RunHistory read_run_history(const std::string& folder, const std::string& metric) {
  CHECK(std::filesystem::is_directory(folder), "plot: there is no run folder ", folder);
  const std::string path = (std::filesystem::path(folder) / kRunLogName).string();
  CHECK(std::filesystem::is_regular_file(path), "plot: ", folder, " is not a run folder, it has no ",
        kRunLogName);
  RunHistory run;
  run.name = name_of(folder);
  const std::vector<LogRecord> records = read_run_log(path);
  const std::optional<std::string> unit = unit_of(records);
  run.quantity = quantity_of(unit, metric);
  HistoryReader reader(path, run, unit, metric);
  for (const LogRecord& record : records) reader.read(record);
  reader.finish();
  if (!metric.empty()) {
    CHECK(!run.validation.empty() || !run.tests.empty(), path, ": holds no score with a metric ", metric);
    return run;
  }
  CHECK(!run.training.empty() || !run.validation.empty(), path,
        ": holds no step and no validation to plot yet");
  return run;
}

std::vector<Point> smoothed(const RunHistory& run) {
  const std::vector<Point>& points = run.training;
  const auto count = static_cast<int64_t>(points.size());
  const int64_t reach = count / 100;
  const auto stage_at = [&](double step) {
    const auto after =
        std::find_if(run.stages.begin(), run.stages.end(), [&](const StageSpan& s) { return step <= s.to; });
    return after - run.stages.begin();
  };
  std::vector<int64_t> stages;
  for (const Point& point : points) stages.push_back(stage_at(point.x));
  std::vector<Point> means = points;
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    int64_t terms = 0;
    // As far to the right as to the left at most: the start of a run falls steeply and a lopsided mean would
    // hide it.
    int64_t begin = i;
    while (begin > 0 && i - begin < reach && stages[begin - 1] == stages[i]) --begin;
    const int64_t end = std::min(count - 1, i + (i - begin));
    for (int64_t k = begin; k <= end; ++k) {
      if (stages[k] != stages[i] || !std::isfinite(points[k].y)) continue;
      sum += points[k].y;
      ++terms;
    }
    means[i].y = terms > 0 && std::isfinite(points[i].y) ? sum / static_cast<double>(terms)
                                                         : std::numeric_limits<double>::quiet_NaN();
  }
  return means;
}

}  // namespace lf
