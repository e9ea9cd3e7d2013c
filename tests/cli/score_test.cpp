// longform score as a user runs it: records and lines, what is printed, what is refused, with file and line.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/data/documents/document_input.h"
#include "tests/program.h"
#include "trainers/metrics/rouge.h"

namespace lf {
namespace {

using nlohmann::json;

class CliScore : public ::testing::Test {
 protected:
  ProgramResult run(const std::vector<std::string>& more = {}, const std::string& input = "") {
    std::vector<std::string> command = {"score", "rouge", path(reference_), path(prediction_)};
    command.insert(command.end(), more.begin(), more.end());
    return program_.run(command, input);
  }
  // The object that --json prints, where nothing is wrong.
  json report(const std::vector<std::string>& more = {}) {
    std::vector<std::string> options = {"--json"};
    options.insert(options.end(), more.begin(), more.end());
    const ProgramResult result = run(options);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(lines_of(result.out).size(), 1u);
    return json::parse(result.out);
  }
  void refused(const std::string& reference, const std::string& prediction, const std::string& message) {
    write(reference, prediction);
    const ProgramResult result = run();
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_EQ(lines_of(result.err).size(), 1u) << result.err;
  }
  void write(const std::string& reference, const std::string& prediction) const {
    program_.write(reference_, reference);
    program_.write(prediction_, prediction);
  }
  std::string path(const std::string& name) const { return name == "-" ? name : program_ / name; }

  Program program_;
  std::string reference_ = "references", prediction_ = "predictions";
};

constexpr const char* kReferences =
    "{\"id\":\"a\",\"text\":\"The cats sat.\"}\n\n{\"id\":7,\"text\":\"x y z\"}\n";
constexpr const char* kPredictions =
    "{\"id\":\"7\",\"text\":\"x y\",\"n\":NaN}\n{\"id\":\"a\",\"text\":\"the cat\"}\n";

void expect_scores(const json& received, const std::vector<RougeScores>& scores) {
  const auto summary = rouge_summary(scores);
  EXPECT_EQ(received["records"], scores.size());
  for (size_t kind = 0; kind < kRougeKinds.size(); ++kind) {
    const json& one = received[kRougeKinds[kind]];
    EXPECT_EQ(one["precision"], summary[kind].mean.precision);
    EXPECT_EQ(one["recall"], summary[kind].mean.recall);
    EXPECT_EQ(one["f1"], summary[kind].mean.f1);
    EXPECT_EQ(one["low"], summary[kind].f1.low);
    EXPECT_EQ(one["mid"], summary[kind].f1.mid);
    EXPECT_EQ(one["high"], summary[kind].f1.high);
    EXPECT_EQ(one["precision_interval"]["low"], summary[kind].precision.low);
    EXPECT_EQ(one["recall_interval"]["high"], summary[kind].recall.high);
  }
}

TEST_F(CliScore, RecordsAreMatchedById) {
  write(kReferences, kPredictions);
  const json plain = report();
  EXPECT_EQ(plain["metric"], "rouge");
  EXPECT_EQ(plain["stemmer"], false);
  EXPECT_EQ(plain["bootstrap"], (json{{"confidence", 0.95}, {"samples", 1000}, {"seed", 0}}));
  expect_scores(plain, {rouge("The cats sat.", "the cat", false), rouge("x y z", "x y", false)});
  const json stemmed = report({"--stemmer"});
  EXPECT_EQ(stemmed["stemmer"], true);
  expect_scores(stemmed, {rouge("The cats sat.", "the cat", true), rouge("x y z", "x y", true)});
  EXPECT_NE(plain["rouge1"], stemmed["rouge1"]);
}

TEST_F(CliScore, ATable) {
  write(kReferences, kPredictions);
  const ProgramResult result = run({"--stemmer"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 6u) << result.out;
  EXPECT_EQ(lines[0], "rouge: 2 records, words stemmed");
  EXPECT_EQ(lines[1], "           precision  recall      f1  95 % interval of f1");
  EXPECT_EQ(lines[2], "rouge1        1.0000  0.6667  0.8000  0.8000 to 0.8000");
  EXPECT_EQ(lines[5].substr(0, 9), "rougeLsum");
}

TEST_F(CliScore, ReferencesByOtherNames) {
  write(
      "{\"id\":\"a\",\"summary\":\"s one\",\"text\":\"a long text\"}\n{\"id\":\"b\",\"target\":\"t two\"}\n"
      "{\"article_id\":\"c\",\"abstract_text\":[\"<S> w1 w2 . </S>\",\"<S> w3 </S>\"],\"labels\":null}\n",
      "{\"id\":\"a\",\"text\":\"s one\"}\n{\"id\":\"b\",\"text\":\"t "
      "two\"}\n{\"id\":\"c\",\"text\":\"w3\\nw1 w2\"}\n");
  const json result = report();
  EXPECT_EQ(result["rouge1"]["f1"], 1.0);
  EXPECT_EQ(result["rougeLsum"]["f1"], 1.0) << "sentences are lines";
  EXPECT_LT(result["rougeL"]["f1"], 1.0);
}

TEST_F(CliScore, PackedFilesAndStandardInput) {
  write(kReferences, kPredictions);
  const json plain = report();
  reference_ = "references.jsonl.gz";
  program_.write(reference_, gzipped(kReferences));
  EXPECT_EQ(report(), plain);
  prediction_ = "-";
  const ProgramResult result = run({"--json"}, kPredictions);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out), plain);
  reference_ = "-";
  const ProgramResult both = run();
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("only one of the two files can be -"), std::string::npos) << both.err;
}

TEST_F(CliScore, LinesAreMatchedByNumber) {
  write("the cat sat\n{not at the beginning}\r\nlast", "the cat\nat the beginning\nlast one\n");
  expect_scores(report(), {rouge("the cat sat", "the cat", false),
                           rouge("{not at the beginning}", "at the beginning", false),
                           rouge("last", "last one", false)});
  refused("a\nb\n", "a\n",
          "lines of text: 2 in " + path("references") + ", 1 in " + path("predictions") + "; needed as many");
  refused("a\nb\n", "a\nb\xFF\n", path("predictions") + ":2: byte 2 is not UTF-8");
  refused("a\nb\rc\n", "a\nb\n", path("references") + ":2: a carriage return within the line");
}

TEST_F(CliScore, TextsWithoutWordsAreSaid) {
  write("a\n\n.\n", "a\n\nb\n");
  const ProgramResult result = run();
  EXPECT_EQ(result.code, 0);
  const auto lines = lines_of(result.err);
  ASSERT_EQ(lines.size(), 2u) << result.err;
  EXPECT_NE(lines[0].find("references: 2 of 3 texts have no word of a-z and 0-9, the first is that of id 2"),
            std::string::npos);
  EXPECT_NE(lines[1].find("predictions: 1 of 3 texts"), std::string::npos);
}

std::string records_named(const std::vector<std::string>& ids) {
  std::string lines;
  for (const std::string& id : ids) lines += json{{"id", id}, {"text", "t"}}.dump() + '\n';
  return lines;
}

TEST_F(CliScore, IdsMustBeInBothFilesOnce) {
  const std::string references = path("references"), predictions = path("predictions");
  refused(records_named({"a", "b"}), records_named({"b"}),
          references + ":1: id \"a\" is not in " + predictions);
  refused(records_named({"b"}), records_named({"b", "c"}),
          predictions + ":2: id \"c\" is not in " + references);
  refused(
      records_named({"a", "b"}), records_named({"b", "c"}),
      references + ":1: id \"a\" is not in " + predictions + "; " + predictions + ":2: id \"c\" is not in");
  refused(records_named({"a", "b"}), records_named({"a", "b", "a"}),
          predictions + ":3: id \"a\" is used twice");
  refused(records_named({"1", "2", "3", "4", "5", "6", "x"}), records_named({"x"}),
          "; 6 of 7 records are such: \"1\" (line 1), \"2\" (line 2), \"3\" (line 3), \"4\" (line 4), "
          "\"5\" (line 5), ...");
  refused("{\"id\":1,\"text\":\"\"}\n{\"id\":\"1\",\"text\":\"\"}\n", records_named({"1"}),
          references + ":2: id \"1\" is used twice");
}

TEST_F(CliScore, WhatIsNoRecordIsRefused) {
  const std::string good = records_named({"a"}), references = path("references:"),
                    predictions = path("predictions");
  refused("", good, path("references") + " holds no text");
  refused(good, "a\n", "references holds JSON records, " + predictions + " holds lines of text");
  refused("{\"id\":\"a\",\"summary\":\"\",\"target\":\"\"}", good, "references:1: both summary and target");
  refused("{\"id\":\"a\",\"note\":\"\"}", good, "references:1: needed a reference, {\"id\", \"text\"}");
  refused("{\"id\":\"a\",\"summary\":[]}", good, "references:1: summary must be a text, not array");
  refused("{\"id\":\"a\",\"abstract_text\":\"\"}", good,
          "references:1: abstract_text must be a list of texts");
  refused("{\"id\":\"a\",\"abstract_text\":[1]}", good,
          "references:1: a sentence of abstract_text must be a text, not number");
  refused(good, "{\"id\":\"a\",\"summary\":\"\"}", "predictions:1: needed a prediction, {\"id\", \"text\"}");
  refused(good, "{\"text\":\"\"}", predictions + ":1: id \"1\" is not in");
  refused(good, "{\"id\":[],\"text\":\"\"}", "predictions:1: id must be a text or a whole number");
  refused(good, good + "[1]\n", "predictions:2: a JSON array, needed a record");
  refused(good, good + "{\"id\n", "predictions:2:");
  prediction_ = "predictions.jsonl";
  refused(good, "\n[1]\n", "predictions.jsonl:2: begins with \"[1]\", needed JSON lines");
  prediction_ = "predictions.csv";
  refused(good, "id,text\n", "predictions.csv: a table; needed JSON lines");
}

TEST_F(CliScore, AMetricMustBeNamed) {
  EXPECT_EQ(program_.run({"score"}).code, 2);
  EXPECT_EQ(program_.run({"score", "rouge", path("references")}).code, 2);
  const ProgramResult result = program_.run({"score", "bleu", "a", "b"});
  EXPECT_EQ(result.code, 2);
}

}  // namespace
}  // namespace lf
