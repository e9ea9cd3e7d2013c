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

namespace lf {
namespace {

using nlohmann::json;

constexpr std::string_view kBitsPer = "bits_per_";

// The reader's state: the history so far and what must wait until the stages are known.
class HistoryReader {
 public:
  HistoryReader(std::string path, RunHistory& run) : path_(std::move(path)), run_(run) {}

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
      (name == "step" ? run_.training : run_.validation).push_back({*step, bits(record)});
    } else if (name == "test") {
      tests_.push_back({step, stage, bits(record)});
    }
    if (step) last_step_ = *step;
  }

  void finish() {
    for (const Test& test : tests_) {
      double step = test.step.value_or(last_step_);
      for (const StageSpan& span : run_.stages) {
        if (!test.step && span.name == test.stage) step = span.to;
      }
      run_.tests.push_back({step, test.bits});
    }
    if (run_.unit.empty()) run_.unit = "character";
  }

 private:
  struct Test {
    std::optional<double> step;
    std::optional<std::string> stage;
    double bits;
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

  // All records of a log count per the same unit, which the key of the first names.
  double bits(const LogRecord& record) {
    for (const auto& item : record.fields.items()) {
      if (!item.key().starts_with(kBitsPer)) continue;
      const std::string unit = item.key().substr(kBitsPer.size());
      if (run_.unit.empty()) run_.unit = unit;
      CHECK(run_.unit == unit, path_, ":", record.line, ": bits per ", unit, ", but per ", run_.unit,
            " before");
      if (const std::optional<double> bits = number(record, item.key().c_str())) return *bits;
    }
    const std::optional<double> nats = number(record, "loss");
    CHECK(nats, path_, ":", record.line, ": the record has neither \"bits_per_...\" nor \"loss\"");
    return *nats / std::numbers::ln2;
  }

  std::string path_;
  RunHistory& run_;
  std::vector<Test> tests_;
  double last_step_ = 0;
};

std::string name_of(const std::string& folder) {
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole.filename() : whole.parent_path().filename()).string();
}

}  // namespace

RunHistory read_run_history(const std::string& folder) {
  CHECK(std::filesystem::is_directory(folder), "plot: there is no run folder ", folder);
  const std::string path = (std::filesystem::path(folder) / kRunLogName).string();
  CHECK(std::filesystem::is_regular_file(path), "plot: ", folder, " is not a run folder, it has no ",
        kRunLogName);
  RunHistory run;
  run.name = name_of(folder);
  HistoryReader reader(path, run);
  for (const LogRecord& record : read_run_log(path)) reader.read(record);
  reader.finish();
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
