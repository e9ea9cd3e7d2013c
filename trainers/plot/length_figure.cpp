// Reading of validations and composition of the figure; see length_figure.h.
#include "trainers/plot/length_figure.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/check.h"
#include "core/choices.h"
#include "core/files.h"
#include "core/format.h"
#include "core/messages.h"
#include "trainers/plot/axis_scale.h"
#include "trainers/plot/svg_chart.h"
#include "trainers/run/run_folder.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

using nlohmann::json;

// What a run's best validation says.
struct BestScore {
  std::string folder;
  double length = 0, step = 0;
  std::map<std::string, double> values;  // by metric
  json protocol;                         // without the length
};

// A field of a log's record as a number; an Error with the record's place where it is none.
double number_in(const json& object, const std::string& key, const std::string& where) {
  CHECK(object.is_object() && object.contains(key), where, ": the validation has no \"", key, '"');
  try {
    return log_number(object.at(key));
  } catch (const Error& error) {
    throw Error(text(where, ": ", key, ": ", error.what()));
  }
}

BestScore best_score(const std::string& folder, const std::vector<std::string>& metrics) {
  const RunConfig config = run_folder_config(folder);
  if (config.task != TaskChoice::seq2seq)
    throw UsageError(text("plot: ", folder, " is a run of task ", choice_name(config.task),
                          "; a score by length of text is drawn of runs of task seq2seq"));
  const SummaryMetricChoice decides = config.seq2seq.metric;
  const std::string deciding = choice_name(decides);
  const std::string path = (std::filesystem::path(folder) / kRunLogName).string();
  CHECK(std::filesystem::is_regular_file(path), "plot: ", folder, " has no ", kRunLogName, " yet");
  std::optional<double> best;
  BestScore score{.folder = folder, .length = 0, .step = 0, .values = {}, .protocol = {}};
  for (const LogRecord& record : read_run_log(path)) {
    const json& fields = record.fields;
    if (!fields.is_object() || fields.value("event", json()) != "validation") continue;
    if (std::ranges::any_of(metrics, [&](const std::string& m) { return !fields.contains(m); })) continue;
    const std::string where = text(path, ":", record.line);
    const double value = number_in(fields, deciding, where);
    const bool better = decides == SummaryMetricChoice::loss ? value < best : value > best;
    if (!std::isfinite(value) || (best && !better)) continue;
    best = value;
    score.protocol = fields.value("protocol", json());
    score.length = number_in(score.protocol, "sequence_length", where);
    CHECK(score.length >= 1, where, ": sequence_length is ", score.length, ", needed 1 or more");
    score.step = number_in(fields, "step", where);
    for (const std::string& metric : metrics) score.values[metric] = number_in(fields, metric, where);
    score.protocol.erase("sequence_length");
  }
  CHECK(best, path, ": holds no validation with ", joined(metrics),
        ": the run has not been validated yet, or "
        "not by written summaries, which seq2seq.metric rouge1, rouge2, rougeL and rougeLsum have; it is ",
        deciding);
  return score;
}

void warn_of_other_protocols(const std::vector<BestScore>& scores) {
  for (const BestScore& score : scores) {
    if (score.protocol == scores.front().protocol) continue;
    messages::warning(text(scores.front().folder, " was scored with ", scores.front().protocol.dump(), ", ",
                           score.folder, " with ", score.protocol.dump()));
  }
}

// "ROUGE-1" of rouge1.
std::string display_name(const std::string& metric) {
  const std::string rouge = "rouge";
  return metric.starts_with(rouge) ? "ROUGE-" + metric.substr(rouge.size()) : spaced(metric);
}

// Markers for all runs, and a line through the means of those of the same length.
void add_metric(Panel& panel, const std::vector<BestScore>& scores, const std::string& metric, int color) {
  std::map<double, std::vector<double>> by_length;
  std::vector<Point> points, means;
  for (const BestScore& score : scores) {
    by_length[score.length].push_back(score.values.at(metric));
    points.push_back({score.length, score.values.at(metric)});
  }
  for (const auto& [length, values] : by_length) {
    double sum = 0;
    for (const double value : values) sum += value;
    means.push_back({length, sum / static_cast<double>(values.size())});
    panel.notes.push_back({means.back(), tick_label(means.back().y, 0.01, means.back().y)});
  }
  panel.series.push_back({"", means, SeriesStyle::kLine, color});
  panel.series.push_back({display_name(metric), points, SeriesStyle::kMarkers, color, color});
}

}  // namespace

void plot_by_length(const std::vector<std::string>& run_folders, const std::string& out_svg,
                    const std::string& metric) {
  CHECK(!run_folders.empty(), "plot: needs at least one run folder");
  const std::vector<std::string> metrics =
      metric.empty() ? std::vector<std::string>{"rouge1", "rouge2"} : std::vector<std::string>{metric};
  std::vector<BestScore> scores;
  for (const std::string& folder : run_folders) scores.push_back(best_score(folder, metrics));
  warn_of_other_protocols(scores);

  const bool is_rouge = metrics.front().starts_with("rouge");
  const std::string quantity = is_rouge ? "ROUGE" : spaced(metrics.front());
  Panel panel;
  panel.x.label = "tokens of a text that are read";
  panel.x.scale = Scale::kLog2;
  panel.y.label = is_rouge ? "F1 in percent" : quantity;
  for (size_t i = 0; i < metrics.size(); ++i) add_metric(panel, scores, metrics[i], static_cast<int>(i));

  Figure figure;
  figure.title = quantity + " by length of text";
  figure.subtitle = "validation split, " + text(scores.size(), scores.size() == 1 ? " run" : " runs");
  figure.description = quantity + " of the validation split by the tokens of a text that are read.";
  for (const BestScore& score : scores) {
    figure.description += text(" Run ", score.folder, ", step ", score.step, ": ", score.length, " tokens");
    for (const auto& [name, value] : score.values)
      figure.description += text(", ", name, ' ', tick_label(value, 0.01, value));
    figure.description += '.';
  }
  figure.panels = {panel};
  write_file_atomically(out_svg, render_svg(figure));
}

}  // namespace lf
