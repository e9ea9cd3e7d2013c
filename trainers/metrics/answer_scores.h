// The official scores of answers to a set of questions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/tasks/answer_files.h"

namespace lf {

// Exactness and F1 of answers, percent, over so many questions.
struct AnswerAverage {
  double exact = 0, f1 = 0;
  int64_t total = 0;
};

// As evaluate-v2.0.py of SQuAD has them, whose "" says that there is no answer.
struct SquadScores {
  AnswerAverage all, answered,
      unanswered;       // of all questions, of those that have an answer and that have none
  int64_t missing = 0;  // questions without a prediction, which count 0
};
SquadScores squad_scores(const std::vector<RightAnswers>& questions,
                         const std::map<std::string, std::string>& predictions);

// As triviaqa_evaluation.py of TriviaQA has them.
struct TriviaScores {
  AnswerAverage all;
  int64_t missing = 0;  // likewise
};
TriviaScores trivia_scores(const std::vector<RightAnswers>& questions,
                           const std::map<std::string, std::string>& predictions);

// As hotpot_evaluate_v1.py of HotpotQA has them, from 0 to 1: means over all questions.
struct HotpotScore {
  double exact = 0, f1 = 0, precision = 0, recall = 0;
};
struct HotpotScores {
  HotpotScore answer, facts, joint;
  int64_t questions = 0, missing_answers = 0, missing_facts = 0;
};
HotpotScores hotpot_scores(const std::vector<HotpotAnswer>& questions, const HotpotPredictions& predictions);

}  // namespace lf
