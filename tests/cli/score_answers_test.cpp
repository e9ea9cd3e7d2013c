// longform score squad, triviaqa, hotpotqa and coref as a user runs them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/program.h"

namespace lf {
namespace {

using nlohmann::json;

class CliScoreAnswers : public ::testing::Test {
 protected:
  ProgramResult run(const std::string& metric, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {"score", metric, program_ / "right", program_ / "told"};
    command.insert(command.end(), more.begin(), more.end());
    return program_.run(command);
  }

  Program program_;
};

TEST_F(CliScoreAnswers, SquadSaysWhatHasNoAnswer) {
  program_.write("right", R"({"data": [{"paragraphs": [{"qas": [
    {"id": "a", "answers": [{"text": "the Cat"}]}, {"id": "b", "answers": []}, {"id": "c", "answers": [{"text": "x"}]}]}]}]})");
  program_.write("told", R"({"a": "cat", "b": "dog"})");
  const ProgramResult result = run("squad", {"--json"});
  const json scores = json::parse(result.out);
  EXPECT_NEAR(scores.at("exact").get<double>(), 100.0 / 3, 1e-9);
  EXPECT_EQ(scores.at("NoAns_total"), 1);
  EXPECT_EQ(scores.at("HasAns_exact"), 50);
  EXPECT_NE(result.err.find("told: no answer for 1 of 3 questions; they score 0"), std::string::npos)
      << result.err;
  EXPECT_NE(run("squad").out.find("exact              33.3333\n"), std::string::npos) << run("squad").out;
}

TEST_F(CliScoreAnswers, TriviaQaAndHotpotQa) {
  program_.write("right", R"({"Domain": "Wikipedia", "VerifiedEval": false, "Data": [
    {"QuestionId": "q", "Answer": {"NormalizedAliases": ["sunset blvd"]}}]})");
  program_.write("told", R"({"q": "Sunset_Blvd."})");
  EXPECT_EQ(json::parse(run("triviaqa", {"--json"}).out).at("exact_match"), 100);
  program_.write("right", R"([{"_id": "h", "answer": "yes", "supporting_facts": [["A", 0], ["B", 1]]}])");
  program_.write("told", R"({"answer": {"h": "Yes"}, "sp": {"h": [["A", 0]]}})");
  const json scores = json::parse(run("hotpotqa", {"--json"}).out);
  EXPECT_EQ(scores.at("em"), 1);
  EXPECT_EQ(scores.at("sp_recall"), 0.5);
  EXPECT_EQ(scores.at("joint_em"), 0);
}

TEST_F(CliScoreAnswers, Coreference) {
  program_.write("right", "#begin document a\na 0 0 x (1)\na 0 1 y (1)\na 0 2 z (2)\n#end document\n");
  program_.write("told", "#begin document a\na 0 0 x (1)\na 0 1 y (1)\na 0 2 z -\n#end document\n");
  const json scores = json::parse(run("coref", {"--json"}).out);
  EXPECT_EQ(scores.at("muc").at("f1"), 1);
  EXPECT_DOUBLE_EQ(scores.at("bcub").at("recall"), 2.0 / 3);
  EXPECT_NEAR(scores.at("conll_f1"), (1 + 0.8 + 2.0 / 3) / 3, 1e-9);
  program_.write("told", "#begin document a\na 0 0 x (1)\n#end document\n");
  EXPECT_NE(run("coref").err.find("told:1: 1 words, the document in "), std::string::npos);
  program_.write("told", "#begin document b\nb 0 0 x -\n#end document\n");
  const ProgramResult other = run("coref");
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("has no document \"a\""), std::string::npos) << other.err;
}

}  // namespace
}  // namespace lf
