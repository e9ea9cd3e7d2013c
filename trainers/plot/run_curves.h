// Training curves: bits per character or token, loss or a metric by step, read from the logs of runs and
// drawn as SVG.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Reads log.jsonl of every run folder and writes one chart: training (raw and smoothed), validation and test
// values and, when the runs agree on them, the stages. Errors: a folder or log that is missing, a log that is
// damaged (file:line) or holds no step, and an output that cannot be written.
// `metric`: draw the scores of this name instead of bits or loss.
void plot_runs(const std::vector<std::string>& run_folders, const std::string& out_svg,
               const std::string& metric = "");

}  // namespace lf
