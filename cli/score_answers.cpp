// longform score squad|triviaqa|hotpotqa QUESTIONS ANSWERS [--json]
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/options.h"
#include "cli/score.h"
#include "core/check.h"
#include "core/json.h"
#include "core/messages.h"
#include "data/tasks/answer_files.h"
#include "trainers/metrics/answer_scores.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct AnswerOptions {
  std::string questions, answers;
  bool json = false;
};

void warn_of_missing(const std::string& path, int64_t missing, int64_t total, const char* what) {
  if (missing > 0)
    messages::warning(text(path, ": no ", what, " for ", missing, " of ", total, " questions; they score 0"));
}

// One object, or its numbers a line each.
void print_scores(const ordered_json& scores, bool json) {
  if (json) {
    std::printf("%s\n", json_line(scores).c_str());
    return;
  }
  for (const auto& [name, value] : scores.items()) {
    if (value.is_number_float())
      std::printf("%-16s %9.4f\n", name.c_str(), value.get<double>());
    else
      std::printf("%-16s %9s\n", name.c_str(),
                  value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
}

// Under the names of the official script.
void score_squad(const AnswerOptions& options) {
  const SquadScores scores =
      squad_scores(read_squad_answers(options.questions), read_answers(options.answers));
  warn_of_missing(options.answers, scores.missing, scores.all.total, "answer");
  ordered_json report = {
      {"metric", "squad"}, {"exact", scores.all.exact}, {"f1", scores.all.f1}, {"total", scores.all.total}};
  if (scores.unanswered.total > 0) {
    for (const auto& [prefix, part] :
         {std::pair("HasAns_", scores.answered), std::pair("NoAns_", scores.unanswered)}) {
      report[std::string(prefix) + "exact"] = part.exact;
      report[std::string(prefix) + "f1"] = part.f1;
      report[std::string(prefix) + "total"] = part.total;
    }
  }
  print_scores(report, options.json);
}

void score_triviaqa(const AnswerOptions& options) {
  const TriviaScores scores =
      trivia_scores(read_triviaqa_answers(options.questions), read_answers(options.answers));
  warn_of_missing(options.answers, scores.missing, scores.all.total, "answer");
  print_scores({{"metric", "triviaqa"},
                {"exact_match", scores.all.exact},
                {"f1", scores.all.f1},
                {"common", scores.all.total - scores.missing},
                {"denominator", scores.all.total}},
               options.json);
}

void score_hotpotqa(const AnswerOptions& options) {
  const HotpotScores scores =
      hotpot_scores(read_hotpot_answers(options.questions), read_hotpot_predictions(options.answers));
  warn_of_missing(options.answers, scores.missing_answers, scores.questions, "answer");
  warn_of_missing(options.answers, scores.missing_facts, scores.questions, "supporting facts");
  ordered_json report = {{"metric", "hotpotqa"}, {"questions", scores.questions}};
  const auto add = [&](const std::string& prefix, const HotpotScore& score) {
    report[prefix + "em"] = score.exact;
    report[prefix + "f1"] = score.f1;
    report[prefix + "prec"] = score.precision;
    report[prefix + "recall"] = score.recall;
  };
  add("", scores.answer);
  add("sp_", scores.facts);
  add("joint_", scores.joint);
  print_scores(report, options.json);
}

void add_metric(const Verb& score, const char* name, const char* description, const char* questions,
                const char* answers, void (*run)(const AnswerOptions&)) {
  auto options = std::make_shared<AnswerOptions>();
  const Verb verb = score.verb(name, description);
  verb.option("questions", &options->questions, questions).required();
  verb.option("answers", &options->answers, answers).required();
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options, run] { run(*options); });
}

}  // namespace

void add_answer_scores(const Verb& score) {
  add_metric(score, "squad", "Exact match and F1 of answers, as SQuAD's script has them.",
             "SQuAD's JSON, version 1.1 or 2.0", "JSON {\"id\": \"answer\"}; \"\" is no answer", score_squad);
  add_metric(score, "triviaqa", "Exact match and F1 of answers, as TriviaQA's script has them.",
             "TriviaQA's JSON of questions",
             "JSON {\"QuestionId\": \"answer\"}, or \"QuestionId--Filename\" of the web", score_triviaqa);
  add_metric(score, "hotpotqa", "Answers, supporting facts and both, as HotpotQA's script has them.",
             "HotpotQA's JSON of questions",
             "JSON {\"answer\": {\"id\": \"answer\"}, \"sp\": {\"id\": [[\"title\", 0]]}}", score_hotpotqa);
}

}  // namespace lf::cli
