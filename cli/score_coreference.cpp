// longform score coref KEY RESPONSE [--json]
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/options.h"
#include "cli/score.h"
#include "core/check.h"
#include "core/choices.h"
#include "core/escaped.h"
#include "core/json.h"
#include "data/tasks/coreference_columns.h"
#include "trainers/metrics/coreference.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct CoreferenceOptions {
  std::string key, response;
  bool json = false;
};

// The response's documents, each of which must be the key's of its name.
CoreferenceScores score_documents(const CoreferenceOptions& options, size_t& documents) {
  const std::vector<CoreferenceDocument> key = read_coreference_columns(options.key);
  std::map<std::string, CoreferenceDocument> response;
  for (CoreferenceDocument& document : read_coreference_columns(options.response)) {
    const std::string id = document.id;
    response.emplace(id, std::move(document));
  }
  CoreferenceScores scores;
  for (const CoreferenceDocument& wanted : key) {
    const auto told = response.find(wanted.id);
    CHECK(told != response.end(), wanted.where, ": ", options.response, " has no document ",
          escaped(wanted.id));
    CHECK(told->second.words() == wanted.words(), told->second.where, ": ", told->second.words(),
          " words, the document in ", wanted.where, " has ", wanted.words());
    scores.add(wanted.clusters, told->second.clusters);
    response.erase(told);
  }
  CHECK(response.empty(), response.begin()->second.where, ": ", options.key, " has no document ",
        escaped(response.begin()->first));
  documents = key.size();
  return scores;
}

void score_coreference(const CoreferenceOptions& options) {
  size_t documents = 0;
  const CoreferenceScores scores = score_documents(options, documents);
  if (options.json) {
    ordered_json report = {{"metric", "coref"}, {"documents", documents}};
    for (const CoreferenceMetric metric : kCoreferenceMetrics) {
      const CoreferenceScore score = scores.score(metric);
      report[choice_name(metric)] = {
          {"recall", score.recall}, {"precision", score.precision}, {"f1", score.f1}};
    }
    report["conll_f1"] = scores.conll();
    std::printf("%s\n", json_line(report).c_str());
    return;
  }
  std::printf("coref: %zu document%s\n%-8s  recall  precision      f1\n", documents,
              documents == 1 ? "" : "s", "");
  for (const CoreferenceMetric metric : kCoreferenceMetrics) {
    const CoreferenceScore score = scores.score(metric);
    std::printf("%-8s  %6.4f  %9.4f  %6.4f\n", choice_name(metric).c_str(), score.recall, score.precision,
                score.f1);
  }
  std::printf("%-8s  %6s  %9s  %6.4f\n", "conll", "", "", scores.conll());
}

}  // namespace

void add_coreference_score(const Verb& score) {
  auto options = std::make_shared<CoreferenceOptions>();
  const Verb verb = score.verb("coref", "MUC, B3, CEAF, BLANC and LEA, as CoNLL's official scorer has them.");
  verb.option("key", &options->key, "The columns of CoNLL-2012 with what is right, gzipped or not")
      .required();
  verb.option("response", &options->response, "The same documents with what was told").required();
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { score_coreference(*options); });
}

}  // namespace lf::cli
