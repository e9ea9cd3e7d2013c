#include "trainers/metrics/answer_scores.h"

#include <algorithm>
#include <set>

#include "trainers/metrics/answers.h"
#include "trainers/metrics/ratio.h"

namespace lf {
namespace {

// Sums that become percentages.
class AnswerSums {
 public:
  void add(const AnswerScore& score) {
    exact_ += score.exact;
    f1_ += score.f1;
    ++total_;
  }
  AnswerAverage average() const {
    if (total_ == 0) return {};
    const auto total = static_cast<double>(total_);
    return {100.0 * exact_ / total, 100.0 * f1_ / total, total_};
  }

 private:
  double exact_ = 0, f1_ = 0;
  int64_t total_ = 0;
};

std::vector<std::string> normalized(const std::vector<std::string>& answers, AnswerRules rules) {
  std::vector<std::string> result;
  for (const std::string& answer : answers) result.push_back(normalized_answer(answer, rules));
  return result;
}

// SQuAD's F1 is 1 where both say nothing.
AnswerScore squad_score(const std::string& predicted, std::vector<std::string> right) {
  std::erase(right, "");
  if (!right.empty() && !predicted.empty()) return best_score(predicted, right);
  const double same = right.empty() && predicted.empty() ? 1 : 0;
  return {.exact = same, .f1 = same};
}

// HotpotQA's answers "yes", "no" and "noanswer" are right or wrong.
AnswerScore hotpot_score(const std::string& predicted, const std::string& right) {
  const auto is_verdict = [](const std::string& answer) {
    return answer == "yes" || answer == "no" || answer == "noanswer";
  };
  if (predicted != right && (is_verdict(predicted) || is_verdict(right))) return {};
  return score_answer(predicted, right);
}

HotpotScore facts_score(const std::vector<SupportingFact>& predicted,
                        const std::vector<SupportingFact>& right) {
  const std::set<SupportingFact> told(predicted.begin(), predicted.end()), wanted(right.begin(), right.end());
  double same = 0;
  for (const SupportingFact& fact : told) same += wanted.contains(fact) ? 1 : 0;
  HotpotScore score;
  score.precision = ratio(same, static_cast<double>(told.size()));
  score.recall = ratio(same, static_cast<double>(wanted.size()));
  score.f1 = harmonic_mean(score.precision, score.recall);
  score.exact = told == wanted ? 1 : 0;
  return score;
}

void add_to(HotpotScore& sum, const HotpotScore& score) {
  sum.exact += score.exact;
  sum.f1 += score.f1;
  sum.precision += score.precision;
  sum.recall += score.recall;
}

}  // namespace

SquadScores squad_scores(const std::vector<RightAnswers>& questions,
                         const std::map<std::string, std::string>& predictions) {
  SquadScores scores;
  AnswerSums all, answered, unanswered;
  for (const RightAnswers& question : questions) {
    const auto told = predictions.find(question.id);
    AnswerScore score;
    if (told == predictions.end()) {
      ++scores.missing;
    } else {
      score = squad_score(normalized_answer(told->second, AnswerRules::squad),
                          normalized(question.answers, AnswerRules::squad));
    }
    all.add(score);
    (question.answers.empty() ? unanswered : answered).add(score);
  }
  scores.all = all.average();
  scores.answered = answered.average();
  scores.unanswered = unanswered.average();
  return scores;
}

TriviaScores trivia_scores(const std::vector<RightAnswers>& questions,
                           const std::map<std::string, std::string>& predictions) {
  TriviaScores scores;
  AnswerSums all;
  for (const RightAnswers& question : questions) {
    const auto told = predictions.find(question.id);
    if (told == predictions.end()) {
      ++scores.missing;
      all.add({});
      continue;
    }
    all.add(best_score(normalized_answer(told->second, AnswerRules::triviaqa),
                       normalized(question.answers, AnswerRules::triviaqa)));
  }
  scores.all = all.average();
  return scores;
}

HotpotScores hotpot_scores(const std::vector<HotpotAnswer>& questions, const HotpotPredictions& predictions) {
  HotpotScores scores;
  for (const HotpotAnswer& question : questions) {
    const auto answer = predictions.answers.find(question.id);
    const auto facts = predictions.facts.find(question.id);
    HotpotScore of_answer, of_facts;
    if (answer == predictions.answers.end()) {
      ++scores.missing_answers;
    } else {
      const AnswerScore score = hotpot_score(normalized_answer(answer->second, AnswerRules::squad),
                                             normalized_answer(question.answer, AnswerRules::squad));
      of_answer = {score.exact, score.f1, score.precision, score.recall};
    }
    if (facts == predictions.facts.end())
      ++scores.missing_facts;
    else
      of_facts = facts_score(facts->second, question.facts);
    add_to(scores.answer, of_answer);
    add_to(scores.facts, of_facts);
    const double precision = of_answer.precision * of_facts.precision,
                 recall = of_answer.recall * of_facts.recall;
    add_to(scores.joint,
           {of_answer.exact * of_facts.exact, harmonic_mean(precision, recall), precision, recall});
  }
  scores.questions = static_cast<int64_t>(questions.size());
  for (HotpotScore* score : {&scores.answer, &scores.facts, &scores.joint}) {
    const double count = std::max<double>(static_cast<double>(scores.questions), 1);
    *score = {score->exact / count, score->f1 / count, score->precision / count, score->recall / count};
  }
  return scores;
}

}  // namespace lf
