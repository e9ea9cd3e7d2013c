// longform plot RUN... --out FILE.svg
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "trainers/plot/run_curves.h"

namespace lf::cli {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string out, metric;
};

void plot(const Options& options) {
  const std::string out = options.out.empty() ? options.runs.front() + "/curve.svg" : options.out;
  plot_runs(options.runs, out, options.metric);
  std::printf("%s\n", out.c_str());
}

}  // namespace

void add_plot(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("plot", "Draw the curves of one or more runs as SVG.");
  verb.option("runs", &options->runs, "Run folders").required();
  verb.option("--out", &options->out, "SVG file (default: curve.svg in the first run)");
  verb.option("--metric", &options->metric,
              "Draw the scores of this name (accuracy, macro_f1, ...) instead of bits or loss");
  verb.action([options] { plot(*options); });
}

}  // namespace lf::cli
