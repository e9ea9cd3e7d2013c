// longform score rouge REFERENCE PREDICTION [--stemmer] [--json]
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/score.h"
#include "core/check.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/text_pairs.h"
#include "trainers/metrics/rouge.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct RougeOptions {
  std::string reference, prediction;
  bool stemmer = false, json = false;
};

using RougeTable = std::array<RougeSummary, kRougeKinds.size()>;

ordered_json interval_report(const Interval& interval) {
  return {{"low", interval.low}, {"mid", interval.mid}, {"high", interval.high}};
}

ordered_json rouge_report(const RougeTable& table, const BootstrapSettings& bootstrap, size_t records,
                          bool stemmer) {
  ordered_json report = {{"metric", "rouge"}, {"records", records}, {"stemmer", stemmer}};
  for (size_t kind = 0; kind < table.size(); ++kind) {
    const RougeSummary& summary = table[kind];
    report[kRougeKinds[kind]] = {{"precision", summary.mean.precision},
                                 {"recall", summary.mean.recall},
                                 {"f1", summary.mean.f1},
                                 {"low", summary.f1.low},
                                 {"mid", summary.f1.mid},
                                 {"high", summary.f1.high},
                                 {"precision_interval", interval_report(summary.precision)},
                                 {"recall_interval", interval_report(summary.recall)}};
  }
  report["bootstrap"] = {
      {"confidence", bootstrap.confidence}, {"samples", bootstrap.samples}, {"seed", bootstrap.seed}};
  return report;
}

void print_rouge(const RougeTable& table, const BootstrapSettings& bootstrap, size_t records, bool stemmer) {
  std::printf("rouge: %zu record%s, words %s\n", records, records == 1 ? "" : "s",
              stemmer ? "stemmed" : "as they are");
  std::printf("%-9s  precision  recall      f1  %g %% interval of f1\n", "", 100 * bootstrap.confidence);
  for (size_t kind = 0; kind < table.size(); ++kind) {
    const RougeSummary& summary = table[kind];
    std::printf("%-9s  %9.4f  %6.4f  %6.4f  %.4f to %.4f\n", kRougeKinds[kind], summary.mean.precision,
                summary.mean.recall, summary.mean.f1, summary.f1.low, summary.f1.high);
  }
}

// A text without words is scored as any other, but may be a mistake of whoever wrote the file.
void warn_of_empty_texts(const std::string& path, const std::vector<TextPair>& pairs,
                         std::string TextPair::*side) {
  const auto has_no_word = [&](const TextPair& pair) { return rouge_words(pair.*side, false).empty(); };
  const auto empty = std::count_if(pairs.begin(), pairs.end(), has_no_word);
  if (empty == 0) return;
  const TextPair& first = *std::find_if(pairs.begin(), pairs.end(), has_no_word);
  messages::warning(text(path, ": ", empty, " of ", pairs.size(),
                         " texts have no word of a-z and 0-9, the first ", "is that of id ", first.id,
                         "; they score 0"));
}

void score_rouge(const RougeOptions& options) {
  if (options.reference == "-" && options.prediction == "-")
    throw UsageError("score rouge: only one of the two files can be -, standard input");
  const std::vector<TextPair> pairs = read_text_pairs(options.reference, options.prediction);
  warn_of_empty_texts(options.reference, pairs, &TextPair::reference);
  warn_of_empty_texts(options.prediction, pairs, &TextPair::prediction);
  std::vector<RougePair> texts;
  for (const TextPair& pair : pairs) texts.push_back({pair.reference, pair.prediction});
  const BootstrapSettings bootstrap;
  const RougeTable table = rouge_summary(rouge(texts, options.stemmer), bootstrap);
  if (options.json) {
    std::printf("%s\n", json_line(rouge_report(table, bootstrap, pairs.size(), options.stemmer)).c_str());
  } else {
    print_rouge(table, bootstrap, pairs.size(), options.stemmer);
  }
}

}  // namespace

void add_rouge_score(const Verb& score) {
  auto options = std::make_shared<RougeOptions>();
  const Verb verb = score.verb("rouge", "How much of the references' wording the predictions have.");
  verb.option("reference", &options->reference,
              "JSON lines {\"id\", \"text\"} (or \"summary\", \"target\"; arXiv's and PubMed's files), or a "
              "text a line; - is standard input")
      .required();
  verb.option("prediction", &options->prediction, "JSON lines {\"id\", \"text\"}, or a text a line")
      .required();
  verb.flag("--stemmer", &options->stemmer, "Compare words of more than three letters by their stems");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { score_rouge(*options); });
}

}  // namespace lf::cli
