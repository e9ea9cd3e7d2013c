// What a run's log tells about its course: values by step and the stages they belong to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainers/plot/svg_chart.h"

namespace lf {

// The steps (from, to] of one stage.
struct StageSpan {
  std::string name;
  double from = 0, to = 0;

  bool operator==(const StageSpan&) const = default;
};

struct RunHistory {
  std::string name;             // the run folder's own name
  std::string quantity;         // "bits per character"; "loss (nats)" of a run that counts no bits; a metric
  std::vector<Point> training;  // (step, value)
  std::vector<Point> validation;  // likewise
  std::vector<Point> tests;       // likewise; a test without a step stands at the end of its stage
  std::vector<StageSpan> stages;
};

// Reads folder/log.jsonl: bits or loss, or the values of the metric of this name, which scores alone have.
// Errors name the file and line.
RunHistory read_run_history(const std::string& folder, const std::string& metric = "");

// The points with each value replaced by the mean of its neighbours of the same stage, over about a fiftieth
// of them.
std::vector<Point> smoothed(const RunHistory& run);

}  // namespace lf
