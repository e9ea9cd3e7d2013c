// Right answers to questions, and the answers that some program gave, in the official files of SQuAD,
// TriviaQA and HotpotQA: what their scripts of evaluation read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lf {

struct RightAnswers {
  std::string id;
  std::vector<std::string> answers;  // as they are written; none: the question has no answer
};

// Of SQuAD, version 1.1 or 2.0: {"data": [{"paragraphs": [{"qas": [{"id", "answers": [{"text"}]}]}]}]}.
std::vector<RightAnswers> read_squad_answers(const std::string& path);

// Of TriviaQA: {"Domain", "VerifiedEval", "Data": [{"QuestionId", "Answer"}]}. A question of the domain "Web"
// stands once for each of its documents, as "QuestionId--Filename". Of a verified part only what belongs to
// it.
std::vector<RightAnswers> read_triviaqa_answers(const std::string& path);

// {"id": "answer"}.
std::map<std::string, std::string> read_answers(const std::string& path);

// A sentence by its paragraph's title and its place in it.
using SupportingFact = std::pair<std::string, int64_t>;

struct HotpotAnswer {
  std::string id, answer;
  std::vector<SupportingFact> facts;
};
// Of HotpotQA: [{"_id", "answer", "supporting_facts": [["title", 0]]}].
std::vector<HotpotAnswer> read_hotpot_answers(const std::string& path);

struct HotpotPredictions {
  std::map<std::string, std::string> answers;
  std::map<std::string, std::vector<SupportingFact>> facts;
};
// {"answer": {"id": "answer"}, "sp": {"id": [["title", 0]]}}.
HotpotPredictions read_hotpot_predictions(const std::string& path);

// All of these throw Error naming the file, and the question where it is one, for broken JSON, what is of
// another form, an id that is given twice, and a file without questions. Files may be packed (.gz, .zip).

}  // namespace lf
