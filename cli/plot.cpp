// longform plot RUN... [--by-length] --out FILE.svg
#include <cstdio>
#include <memory>

#include "cli/verbs.h"
#include "trainers/plot/length_figure.h"
#include "trainers/plot/run_curves.h"

namespace lf::cli {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string out, metric;
  bool by_length = false;
};

void plot(const Options& options) {
  const std::string name = options.by_length ? "/by_length.svg" : "/curve.svg";
  const std::string out = options.out.empty() ? options.runs.front() + name : options.out;
  (options.by_length ? plot_by_length : plot_runs)(options.runs, out, options.metric);
  std::printf("%s\n", out.c_str());
}

}  // namespace

void add_plot(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("plot", "Draw the curves of one or more runs as SVG.");
  verb.option("runs", &options->runs, "Run folders").required();
  verb.option("--out", &options->out, "SVG file (default: curve.svg or by_length.svg in the first run)");
  verb.option("--metric", &options->metric,
              "Draw the scores of this name (accuracy, macro_f1, ...) instead of bits or loss");
  verb.flag("--by-length", &options->by_length,
            "Draw ROUGE-1 and ROUGE-2, or the metric, by the tokens of a text that each run reads");
  verb.action([options] { plot(*options); });
}

}  // namespace lf::cli
