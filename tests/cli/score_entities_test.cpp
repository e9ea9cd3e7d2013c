// longform score entities as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/program.h"

namespace lf {
namespace {

using nlohmann::json;

class CliScoreEntities : public ::testing::Test {
 protected:
  ProgramResult run(const std::string& reference, const std::string& prediction,
                    const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {"score", "entities", program_ / reference, program_ / prediction};
    command.insert(command.end(), more.begin(), more.end());
    return program_.run(command);
  }
  json report(const std::string& reference, const std::string& prediction,
              std::vector<std::string> more = {}) {
    more.emplace_back("--json");
    const ProgramResult result = run(reference, prediction, more);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  }
  void refused(const std::string& reference, const std::string& prediction, const std::string& message) {
    const ProgramResult result = run(reference, prediction);
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  }

  Program program_;
};

TEST_F(CliScoreEntities, ColumnsAgainstColumns) {
  program_.write("a", "Ann\tB-person\nin\tO\nNew\tB-place\nYork\tI-place\n\nBob\tB-person\n");
  program_.write("b", "Ann\tB-person\nin\tO\nNew\tB-place\nYork\tO\n\nBob\tB-place\n");
  const json scores = report("a", "b");
  EXPECT_DOUBLE_EQ(scores.at("precision"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores.at("recall"), 1.0 / 3);
  EXPECT_EQ(scores.at("records"), 2);
  EXPECT_DOUBLE_EQ(scores.at("types").at("person").at("f1"), 2.0 / 3);
  const ProgramResult words = run("a", "b");
  EXPECT_EQ(words.out,
            "entities: 2 texts\n"
            "          precision  recall      f1  entities  predicted\n"
            "person       1.0000  0.5000  0.6667         2          1\n"
            "place        0.0000  0.0000  0.0000         1          2\n"
            "all          0.3333  0.3333  0.3333         3          3\n"
            "macro f1                     0.3333\n");
  program_.write("both", "Ann B-person O\nin O O\n");
  EXPECT_EQ(report("both", "both", {"--tag-column", "2", "--prediction-column", "3"}).at("f1"), 0);
}

// Also where whole documents are texts: sentences are sequences of their own for seqeval.
TEST_F(CliScoreEntities, NoEntityGoesOnOverTheEndOfASentence) {
  program_.write("a", "Ann\tI-person\n\nBob\tI-person\n");
  program_.write("b", "Ann\tB-person\n\nBob\tB-person\n");
  EXPECT_EQ(report("a", "b", {"--documents"}).at("f1"), 1);
}

TEST_F(CliScoreEntities, RecordsInAnyOrderAndAsPredictWritesThem) {
  program_.write(
      "a.jsonl",
      R"({"id": "x", "text": "Ann in Rome", "entities": [{"start": 0, "end": 3, "label": "person"}]}
{"id": 7, "tokens": ["Oslo"], "tags": ["B-place"]}
)");
  program_.write(
      "b.jsonl",
      R"({"id": "7", "entities": [{"start": 0, "end": 1, "label": "place", "text": "Oslo", "score": 0.9}]}
{"id": "x", "entities": [{"start": 0, "end": 3, "label": "person"}, {"start": 7, "end": 11, "label": "place"}]}
)");
  const json scores = report("a.jsonl", "b.jsonl");
  EXPECT_EQ(scores.at("correct"), 2);
  EXPECT_EQ(scores.at("predicted"), 3);
  EXPECT_EQ(scores.at("entities"), 2);
}

TEST_F(CliScoreEntities, WhatDoesNotFitIsRefused) {
  program_.write("a", "Ann\tB-person\n\nBob\tO\n");
  program_.write("one", "Ann\tB-person\n");
  refused("a", "one", "has 2 texts");
  program_.write("other", "Ann\tB-person\n\nBo\tO\n");
  refused("a", "other", "other:3: word 1 of the text is \"Bo\", in ");
  program_.write("more", "Ann\tB-person\nx\tO\n\nBob\tO\n");
  refused("a", "more", "more:1: a text of 2 words, that of ");
  program_.write("a.jsonl", "{\"id\": 1, \"text\": \"Ann\", \"entities\": []}\n");
  program_.write("b.jsonl", "{\"id\": 2, \"text\": \"Ann\", \"entities\": []}\n");
  refused("a.jsonl", "b.jsonl", "does not have the id \"1\"");
  program_.write("c.jsonl", "{\"id\": 1, \"tokens\": [\"Ann\"], \"tags\": [\"O\"]}\n");
  refused("a.jsonl", "c.jsonl", "c.jsonl:1: entities are counted in words here and in characters in ");
  program_.write(
      "d.jsonl",
      "{\"id\": 1, \"text\": \"Ann\", \"entities\": []}\n{\"id\": 3, \"text\": \"x\", \"entities\": []}\n");
  refused("a.jsonl", "d.jsonl", "d.jsonl:2: ");
  refused("a", "none", "none does not exist");
}

}  // namespace
}  // namespace lf
