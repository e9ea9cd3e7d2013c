// Answers against the official scripts of SQuAD, TriviaQA and HotpotQA (tests/golden/answers.json), and what
// is refused of their files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "data/lower_case.h"
#include "tests/data/documents/document_input.h"
#include "tests/fuzz.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/metrics/answer_scores.h"
#include "trainers/metrics/answers.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr double kSameAnswerScore = 1e-9;

class AnswersTest : public ::testing::Test {
 protected:
  static const json& golden() {
    static const json file = json::parse(read_file(source_path("tests/golden/answers.json")));
    return file;
  }
  // Calls check(case) for those of a kind, with their files written.
  template <class Check>
  void for_each_case(const std::string& kind, const Check& check) {
    int64_t cases = 0;
    for (const json& one : golden().at("cases")) {
      if (one.at("kind") != kind) continue;
      write_text(folder_ / "questions.json", one.at("questions").dump());
      write_text(folder_ / "answers.json", one.at("answers").dump());
      check(one.at("scores"));
      ++cases;
    }
    EXPECT_GE(cases, 12);
  }
  void write_files(const std::string& questions, const std::string& answers = "{}") const {
    write_text(folder_ / "questions.json", questions);
    write_text(folder_ / "answers.json", answers);
  }
  std::string questions() const { return folder_ / "questions.json"; }
  std::string answers() const { return folder_ / "answers.json"; }

  TemporaryFolder folder_;
};

TEST_F(AnswersTest, AreNormalizedAsTheScriptsDo) {
  for (const json& one : golden().at("normalized")) {
    const auto text = one.at("text").get<std::string>();
    EXPECT_EQ(normalized_answer(text, AnswerRules::squad), one.at("squad")) << text;
    EXPECT_EQ(normalized_answer(text, AnswerRules::triviaqa), one.at("triviaqa")) << text;
  }
}

TEST_F(AnswersTest, SquadsScoresEqualItsScripts) {
  for_each_case("squad", [&](const json& expected) {
    const SquadScores scores = squad_scores(read_squad_answers(questions()), read_answers(answers()));
    EXPECT_NEAR(scores.all.exact, expected.at("exact"), kSameAnswerScore);
    EXPECT_NEAR(scores.all.f1, expected.at("f1"), kSameAnswerScore);
    EXPECT_EQ(scores.all.total, expected.at("total"));
    EXPECT_NEAR(scores.answered.f1, expected.value("HasAns_f1", 0.0), kSameAnswerScore);
    EXPECT_NEAR(scores.unanswered.exact, expected.value("NoAns_exact", 0.0), kSameAnswerScore);
    EXPECT_EQ(scores.unanswered.total, expected.value("NoAns_total", 0));
  });
}

TEST_F(AnswersTest, TriviaQasScoresEqualItsScripts) {
  for_each_case("triviaqa", [&](const json& expected) {
    const TriviaScores scores = trivia_scores(read_triviaqa_answers(questions()), read_answers(answers()));
    EXPECT_NEAR(scores.all.exact, expected.at("exact_match"), kSameAnswerScore);
    EXPECT_NEAR(scores.all.f1, expected.at("f1"), kSameAnswerScore);
    EXPECT_EQ(scores.all.total, expected.at("denominator"));
    EXPECT_EQ(scores.all.total - scores.missing, expected.at("common"));
  });
}

TEST_F(AnswersTest, HotpotQasScoresEqualItsScripts) {
  for_each_case("hotpotqa", [&](const json& expected) {
    const HotpotScores scores =
        hotpot_scores(read_hotpot_answers(questions()), read_hotpot_predictions(answers()));
    const auto same = [&](const HotpotScore& score, const std::string& prefix) {
      EXPECT_NEAR(score.exact, expected.at(prefix + "em"), kSameAnswerScore) << prefix;
      EXPECT_NEAR(score.f1, expected.at(prefix + "f1"), kSameAnswerScore) << prefix;
      EXPECT_NEAR(score.precision, expected.at(prefix + "prec"), kSameAnswerScore) << prefix;
      EXPECT_NEAR(score.recall, expected.at(prefix + "recall"), kSameAnswerScore) << prefix;
    };
    same(scores.answer, "");
    same(scores.facts, "sp_");
    same(scores.joint, "joint_");
  });
}

// The sample of TriviaQA's own repository: "Sunset Blvd" is an alias, and one of two documents has no
// prediction.
TEST_F(AnswersTest, RealFilesOfTriviaQA) {
  REQUIRE_SHARED(folder, "data/triviaqa");
  const TriviaScores scores = trivia_scores(read_triviaqa_answers(folder + "/scorer/triviaqa_sample.json"),
                                            read_answers(folder + "/scorer/sample_predictions.json"));
  EXPECT_EQ(scores.all.exact, 50);
  EXPECT_EQ(scores.all.f1, 50);
  EXPECT_EQ(scores.missing, 1);
  EXPECT_EQ(read_triviaqa_answers(folder + "/qa/wikipedia-train.json").size(), 4u);
  EXPECT_EQ(read_triviaqa_answers(folder + "/qa/wikipedia-dev.json").size(), 2u);
  REQUIRE_SHARED(hotpot, "data/hotpotqa/hotpotqa_train_sample.json");
  EXPECT_EQ(read_hotpot_answers(hotpot).size(), 100u);
}

TEST_F(AnswersTest, BadFilesAreRefused) {
  const auto refused = [&](const std::string& content, const std::string& message, auto read) {
    write_files(content);
    EXPECT_ERROR_TEXT(read(questions()), questions() + message);
  };
  refused("{", ":1:2: not valid JSON", [](const std::string& path) { return read_squad_answers(path); });
  refused("{}", ": no \"data\"", [](const std::string& path) { return read_squad_answers(path); });
  refused(R"({"data": []})", ": no questions",
          [](const std::string& path) { return read_squad_answers(path); });
  refused(R"({"data": [{"paragraphs": [{"qas": [{"id": "a", "answers": [{}]}]}]}]})",
          ": question \"a\": no \"text\"", [](const std::string& path) { return read_squad_answers(path); });
  refused(
      R"({"data": [{"paragraphs": [{"qas": [{"id": "a", "answers": []}, {"id": "a", "answers": []}]}]}]})",
      ": the question \"a\" is there twice",
      [](const std::string& path) { return read_squad_answers(path); });
  refused(R"({"Domain": "Wikipedia", "VerifiedEval": false, "Data": [{"QuestionId": "q", "Answer": {}}]})",
          ": question \"q\": no \"NormalizedAliases\"",
          [](const std::string& path) { return read_triviaqa_answers(path); });
  refused(R"([{"_id": "h", "answer": "x", "supporting_facts": [["t"]]}])",
          ": question \"h\": a supporting fact is ",
          [](const std::string& path) { return read_hotpot_answers(path); });
  refused("{}", ": a JSON object, needed a list",
          [](const std::string& path) { return read_hotpot_answers(path); });
  refused("[]", ": a JSON array, needed {\"id\": \"answer\"}",
          [](const std::string& path) { return read_answers(path); });
  refused(R"({"a": 1})", ": question \"a\": the answer is a JSON number",
          [](const std::string& path) { return read_answers(path); });
  refused("{}", ": no \"answer\"", [](const std::string& path) { return read_hotpot_predictions(path); });
}

TEST(LowerCase, OfOddLetters) {
  EXPECT_EQ(lower_case("ABCxyz09 \u00c9\u0416\U00010400"), "abcxyz09 \u00e9\u0436\U00010428");
  EXPECT_EQ(lower_case("\u0130"), "i\u0307");
  EXPECT_EQ(lower_case("\u03a3\u039f\u03a6\u039f\u03a3 \u03a3"), "\u03c3\u03bf\u03c6\u03bf\u03c2 \u03c3");
}

}  // namespace
}  // namespace lf
