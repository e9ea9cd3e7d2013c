// How well answers fit the right ones, as the official scripts of SQuAD, TriviaQA and HotpotQA compare them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lf {

// Whose script: SQuAD's and HotpotQA's leave punctuation out, TriviaQA's puts blanks in its place.
enum class AnswerRules { squad, triviaqa };

// An answer in small letters without punctuation, the articles "a", "an" and "the" and superfluous blanks.
// The text must be valid UTF-8.
std::string normalized_answer(std::string_view answer, AnswerRules rules);

struct AnswerScore {
  double exact = 0;                          // 1 or 0
  double f1 = 0, precision = 0, recall = 0;  // of words
};

// Of normalized answers. Without any word on either side F1 is 0, as in all three scripts but for SQuAD's
// answers of nothing.
AnswerScore score_answer(const std::string& predicted, const std::string& right);

// The best of all right answers, of exactness and of F1 each.
AnswerScore best_score(const std::string& predicted, const std::vector<std::string>& right);

}  // namespace lf
