// Composition of the training chart; see run_curves.h.
#include "trainers/plot/run_curves.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "trainers/plot/axis_scale.h"
#include "trainers/plot/run_history.h"
#include "trainers/plot/svg_chart.h"
#include "trainers/plot/svg_writer.h"

namespace lf {
namespace {

constexpr int kCircle = 0, kDiamond = 3;
constexpr int kNeutral = -1;

std::string value_text(double value) { return tick_label(value, 0.001, value); }

// Runs of the same name are told apart by the folders as they were given.
std::vector<RunHistory> read_runs(const std::vector<std::string>& folders, const std::string& metric) {
  std::vector<RunHistory> runs;
  std::set<std::string> names;
  bool unique = true;
  for (const std::string& folder : folders) {
    runs.push_back(read_run_history(folder, metric));
    unique = names.insert(runs.back().name).second && unique;
  }
  for (size_t i = 0; !unique && i < runs.size(); ++i) runs[i].name = folders[i];
  return runs;
}

void add_single_run(Panel& panel, const RunHistory& run) {
  panel.series.push_back({"", run.training, SeriesStyle::kFaintLine, 0});
  panel.series.push_back({run.training.empty() ? "" : "training", smoothed(run), SeriesStyle::kLine, 0});
  panel.series.push_back(
      {run.validation.empty() ? "" : "validation", run.validation, SeriesStyle::kMarkers, 1, kCircle});
  panel.series.push_back({run.tests.empty() ? "" : "test", run.tests, SeriesStyle::kMarkers, 2, kDiamond});
  for (const Point& test : run.tests) panel.notes.push_back({test, "test " + value_text(test.y)});
}

// One colour per run; markers mean the same for all of them, and the legend tells each run's last test.
void add_runs(Panel& panel, const std::vector<RunHistory>& runs) {
  bool validations = false, tests = false;
  int color = 0;
  for (const RunHistory& run : runs) {
    const bool trained = !run.training.empty();
    const std::string name =
        run.name + (run.tests.empty() ? "" : " (test " + value_text(run.tests.back().y) + ")");
    panel.series.push_back({"", run.training, SeriesStyle::kFaintLine, color});
    panel.series.push_back({trained ? name : "", smoothed(run), SeriesStyle::kLine, color});
    panel.series.push_back({trained ? "" : name, run.validation, SeriesStyle::kMarkers, color, kCircle});
    panel.series.push_back({"", run.tests, SeriesStyle::kMarkers, color, kDiamond});
    validations |= !run.validation.empty(), tests |= !run.tests.empty();
    ++color;
  }
  if (validations) panel.series.push_back({"validation", {}, SeriesStyle::kMarkers, kNeutral, kCircle});
  if (tests) panel.series.push_back({"test", {}, SeriesStyle::kMarkers, kNeutral, kDiamond});
}

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

void add_stages(Panel& panel, const std::vector<RunHistory>& runs) {
  const std::vector<StageSpan>& stages = runs.front().stages;
  const bool agreed =
      std::all_of(runs.begin(), runs.end(), [&](const RunHistory& r) { return r.stages == stages; });
  if (!agreed || stages.size() < 2) return;
  for (size_t i = 0; i < stages.size(); ++i) {
    const bool numbered = is_number(stages[i].name);
    panel.bands.push_back({stages[i].from, stages[i].to,
                           numbered ? "stage " + stages[i].name : stages[i].name,
                           numbered ? stages[i].name : std::to_string(i + 1)});
  }
}

// The first steps of a run fall from log2(vocabulary) in a moment; an axis that showed all of them would
// squeeze the rest. So it shows the highest of the smoothed values after the first 5 % of the steps, and
// every test.
double highest_shown(const std::vector<RunHistory>& runs) {
  constexpr double kStart = 0.05;
  double highest = -HUGE_VAL;
  for (const RunHistory& run : runs) {
    const std::vector<Point> training = smoothed(run);
    const double last = std::max(training.empty() ? 0 : training.back().x,
                                 run.validation.empty() ? 0 : run.validation.back().x);
    const auto consider = [&](const std::vector<Point>& points, double from) {
      for (const Point& point : points) {
        if (point.x >= from && std::isfinite(point.y)) highest = std::max(highest, point.y);
      }
    };
    consider(training, kStart * last);
    consider(run.validation, kStart * last);
    consider(run.tests, 0);
  }
  return highest;
}

double last_step(const std::vector<RunHistory>& runs) {
  double last = 0;
  for (const RunHistory& run : runs) {
    for (const auto* points : {&run.training, &run.validation, &run.tests}) {
      for (const Point& point : *points) last = std::max(last, point.x);
    }
  }
  return last;
}

std::string describe(const RunHistory& run) {
  std::string out =
      text(" Run ", run.name, ": ", run.stages.size(), run.stages.size() == 1 ? " stage, " : " stages, ",
           run.training.size(), " logged steps");
  if (!run.validation.empty()) out += ", last validation " + value_text(run.validation.back().y);
  if (!run.tests.empty()) out += ", last test " + value_text(run.tests.back().y);
  return out + ".";
}

}  // namespace

void plot_runs(const std::vector<std::string>& run_folders, const std::string& out_svg,
               const std::string& metric) {
  CHECK(!run_folders.empty(), "plot: needs at least one run folder");
  const std::vector<RunHistory> runs = read_runs(run_folders, metric);
  const std::string& quantity = runs.front().quantity;
  for (const RunHistory& run : runs) {
    if (run.quantity != quantity)
      throw UsageError(text("plot: ", runs.front().name, " counts ", quantity, ", ", run.name, ' ',
                            run.quantity, "; draw them apart"));
  }
  Panel panel;
  panel.x.label = "step";
  panel.y.label = quantity;
  panel.x.low = 0;
  panel.x.whole = true;
  panel.x.high = 1.02 * std::max(last_step(runs), 1.0);
  runs.size() == 1 ? add_single_run(panel, runs.front()) : add_runs(panel, runs);
  add_stages(panel, runs);

  Figure figure;
  figure.title =
      runs.size() == 1 ? "Training of " + runs.front().name : text("Training of ", runs.size(), " runs");
  figure.description = quantity + " by training step.";
  for (const RunHistory& run : runs) figure.description += describe(run);
  const double highest = highest_shown(runs);
  CHECK(std::isfinite(highest), run_folders.front(),
        ": every value in the log is nan or inf, nothing can be plotted");
  double lowest = highest;
  for (const Series& series : panel.series) {
    for (const Point& point : series.points) {
      if (series.style != SeriesStyle::kFaintLine && std::isfinite(point.y))
        lowest = std::min(lowest, point.y);
    }
  }
  const AxisScale range = AxisScale(Scale::kLinear, lowest, highest).widened(0.08);
  panel.y.low = range.low();
  panel.y.high = range.high();
  figure.panels = {panel};
  write_file_atomically(out_svg, render_svg(figure));
}

}  // namespace lf
