// longform score entities REFERENCE PREDICTION [--tag-column N] [--prediction-column N] [--json]
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/score.h"
#include "core/json.h"
#include "data/tasks/entity_pairs.h"
#include "data/tasks/labelled_document.h"
#include "trainers/metrics/entity_scores.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct EntityOptions {
  std::string reference, prediction, separator;
  int64_t word_column = 1, tag_column = -1, prediction_column = 0;
  bool documents = false, json = false;
};

ordered_json entities_report(const EntityScores& scores, size_t texts) {
  const EntityCounts all = scores.all();
  ordered_json report = {{"metric", "entities"},
                         {"records", texts},
                         {"precision", all.precision()},
                         {"recall", all.recall()},
                         {"f1", all.f1()},
                         {"macro_f1", scores.macro_f1()},
                         {"weighted_f1", scores.weighted_f1()},
                         {"entities", all.expected},
                         {"predicted", all.predicted},
                         {"correct", all.correct}};
  for (const auto& [type, counts] : scores.types()) {
    report["types"][type] = {
        {"precision", counts.precision()}, {"recall", counts.recall()},     {"f1", counts.f1()},
        {"entities", counts.expected},     {"predicted", counts.predicted}, {"correct", counts.correct}};
  }
  return report;
}

void print_entities(const EntityScores& scores, size_t texts) {
  size_t width = 8;
  for (const auto& [type, counts] : scores.types()) width = std::max(width, shown(type).size());
  std::printf("entities: %zu text%s\n%-*s  precision  recall      f1  entities  predicted\n", texts,
              texts == 1 ? "" : "s", static_cast<int>(width), "");
  const auto print = [&](const std::string& name, const EntityCounts& counts) {
    std::printf("%-*s  %9.4f  %6.4f  %6.4f  %8lld  %9lld\n", static_cast<int>(width), name.c_str(),
                counts.precision(), counts.recall(), counts.f1(), static_cast<long long>(counts.expected),
                static_cast<long long>(counts.predicted));
  };
  for (const auto& [type, counts] : scores.types()) print(shown(type), counts);
  print("all", scores.all());
  std::printf("%-*s  %9s  %6s  %6.4f\n", static_cast<int>(width), "macro f1", "", "", scores.macro_f1());
}

void score_entities(const EntityOptions& options) {
  TaggedColumns reference{.separator = options.separator,
                          .word = options.word_column,
                          .tag = options.tag_column,
                          .unit = options.documents ? TaggedUnit::kDocuments : TaggedUnit::kSentences};
  TaggedColumns prediction = reference;
  if (options.prediction_column != 0) prediction.tag = options.prediction_column;
  EntityScores scores;
  const std::vector<EntityPair> pairs =
      read_entity_pairs(options.reference, reference, options.prediction, prediction);
  for (const EntityPair& pair : pairs) scores.add(pair.reference, pair.prediction);
  if (options.json) {
    std::printf("%s\n", json_line(entities_report(scores, pairs.size())).c_str());
  } else {
    print_entities(scores, pairs.size());
  }
}

}  // namespace

void add_entities_score(const Verb& score) {
  auto options = std::make_shared<EntityOptions>();
  const Verb verb = score.verb("entities", "How many entities the predictions find, as seqeval scores them.");
  verb.option("reference", &options->reference,
              "Columns of words and tags as CoNLL has them, or JSON lines (.jsonl) {\"id\", \"tokens\", "
              "\"tags\"} or {\"id\", \"text\", \"entities\"}")
      .required();
  verb.option("prediction", &options->prediction, "The same, or the same file with --prediction-column")
      .required();
  verb.option("--word-column", &options->word_column, "The column of the words, from 1 (1); -1 is the last");
  verb.option("--tag-column", &options->tag_column, "The column of the tags, likewise (-1)");
  verb.option("--prediction-column", &options->prediction_column,
              "The column of the tags of the prediction, where it is another");
  verb.option("--separator", &options->separator, "What stands between columns (a tab, or blanks)");
  verb.flag("--documents", &options->documents, "Whole documents are texts, not each sentence");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { score_entities(*options); });
}

}  // namespace lf::cli
