// A score by the length of the texts that are read, as Figure 3 of the Longformer paper draws ROUGE.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Every run of task seq2seq is a point: the tokens of a text that it reads at most, and the score of its
// validation split that is best by the metric that decides in the run (the first of equal ones). Draws
// ROUGE-1 and ROUGE-2, or the score called `metric`. Runs that were scored differently are told apart in a
// warning. Errors: folders that are no runs, runs of another task, logs that are damaged (file:line) or
// without such a score, and an output that cannot be written.
void plot_by_length(const std::vector<std::string>& run_folders, const std::string& out_svg,
                    const std::string& metric = "");

}  // namespace lf
