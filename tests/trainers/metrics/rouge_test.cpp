// ROUGE against rouge-score, stems against NLTK (tests/golden/rouge.jsonl), published values of ROUGE-1.5.5,
// and what holds for any texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "core/files.h"
#include "tests/fuzz.h"
#include "tests/program.h"
#include "tests/testing.h"
#include "trainers/metrics/bootstrap.h"
#include "trainers/metrics/porter_stemmer.h"
#include "trainers/metrics/rouge.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr double kSame = 1e-12;

std::vector<json> rouge_golden() {
  std::vector<json> lines;
  for (const std::string& line : lines_of(read_file(source_path("tests/golden/rouge.jsonl")))) {
    lines.push_back(json::parse(line));
  }
  return lines;
}

std::vector<double> numbers_of(const RougeScores& scores) {
  std::vector<double> numbers;
  for (const RougeScore& score : scores) {
    numbers.insert(numbers.end(), {score.precision, score.recall, score.f1});
  }
  return numbers;
}

void expect_same(const std::vector<double>& received, const std::vector<double>& expected,
                 const std::string& what) {
  ASSERT_EQ(received.size(), expected.size()) << what;
  for (size_t i = 0; i < received.size(); ++i)
    EXPECT_NEAR(received[i], expected[i], kSame) << what << " " << i;
}

TEST(Rouge, EqualsRougeScore) {
  int64_t cases = 0;
  for (const json& line : rouge_golden()) {
    if (!line.contains("plain")) continue;
    const auto reference = line["reference"].get<std::string>();
    const auto prediction = line["prediction"].get<std::string>();
    expect_same(numbers_of(rouge(reference, prediction, false)), line["plain"], line.dump());
    const json& stemmed = line.value("stemmed", line["plain"]);
    expect_same(numbers_of(rouge(reference, prediction, true)), stemmed, "stemmed " + line.dump());
    ++cases;
  }
  EXPECT_GT(cases, 300);
}

TEST(Rouge, StemsAreThoseOfNltk) {
  std::istringstream words(rouge_golden().at(1)["stems"].get<std::string>());
  int64_t count = 0;
  for (std::string word, stem; words >> word >> stem; ++count) EXPECT_EQ(porter_stem(word), stem) << word;
  EXPECT_GT(count, 2800);
  EXPECT_EQ(porter_stem(""), "");
}

TEST(Rouge, AStemTakesTimeInProportionToTheWord) {
  const std::string run(1 << 20, 'y');
  EXPECT_EQ(porter_stem(run + "ing").size(), run.size());
}

TEST(Rouge, Words) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(rouge_words("The U.S.'s 2nd-best caf\u00e9s: 1,000!", false),
            (Words{"the", "u", "s", "s", "2nd", "best", "caf", "s", "1", "000"}));
  EXPECT_EQ(rouge_words("\u212ain \u0130s Stra\u00dfe \u03a3\u03a3", false),
            (Words{"kin", "i", "s", "stra", "e"}));
  EXPECT_EQ(rouge_words("Cats was hoping", true), (Words{"cat", "was", "hope"}));
  EXPECT_EQ(rouge_words("a\xE2\x84z\xC4\xE2", false), (Words{"a", "z"})) << "broken UTF-8 parts words";
  EXPECT_EQ(rouge_words("\n .", true), Words{});
}

// The values of the test of rouge-score, where ROUGE-1.5.5 gave them.
TEST(Rouge, PublishedValues) {
  REQUIRE_SHARED(folder, "data/rouge");
  const json cases = json::parse(read_file(folder + "/expected.json"));
  const auto text_of = [&](const json& one, const std::string& side) {
    if (one.contains(side)) return one[side].get<std::string>();
    const std::string file = folder + "/" + one[side + "_file"].get<std::string>();
    return lines_of(read_file(file)).at(one["line"].get<size_t>());
  };
  for (const json& one : cases) {
    const RougeScores scores = rouge(text_of(one, "target"), text_of(one, "prediction"), one["use_stemmer"]);
    const auto kind = std::find(kRougeKinds.begin(), kRougeKinds.end(), one["type"].get<std::string>());
    ASSERT_NE(kind, kRougeKinds.end()) << one;
    const RougeScore& score = scores[static_cast<size_t>(kind - kRougeKinds.begin())];
    const double tolerance = 0.5 * std::pow(10, -one["places"].get<int>()) + kSame;
    EXPECT_NEAR(score.precision, one["precision"].get<double>(), tolerance) << one;
    EXPECT_NEAR(score.recall, one["recall"].get<double>(), tolerance) << one;
    EXPECT_NEAR(score.f1, one["fmeasure"].get<double>(), tolerance) << one;
  }
  EXPECT_GE(cases.size(), 21u);
}

class RandomTexts {
 public:
  // Words, marks, line ends and broken bytes.
  std::string next() {
    static const std::vector<std::string> kParts = {"a",  "b",    "Cat",    "cats", "x2",   "\u212a", "\n",
                                                    "\n", "\xFF", "\u0130", "- ",   "aing", "the"};
    std::string text;
    for (size_t length = random_() % 30; length > 0; --length) {
      text += kParts[random_() % kParts.size()] + (random_() % 4 ? " " : "");
    }
    return text;
  }

 private:
  std::mt19937_64 random_{20260801};
};

TEST(Rouge, HoldsForAnyTexts) {
  RandomTexts texts;
  for (FuzzRounds rounds(2000); rounds.more();) {
    const std::string a = texts.next(), b = texts.next();
    const bool stems = rounds.done() % 2 == 0;
    const RougeScores forward = rouge(a, b, stems), backward = rouge(b, a, stems), self = rouge(a, a, stems);
    const size_t words = rouge_words(a, stems).size();
    for (size_t kind = 0; kind < kRougeKinds.size(); ++kind) {
      for (const double value : {forward[kind].precision, forward[kind].recall, forward[kind].f1}) {
        EXPECT_TRUE(value >= 0 && value <= 1) << a << '|' << b;
      }
      const bool has_any = words > (std::string_view(kRougeKinds[kind]) == "rouge2" ? 1u : 0u);
      EXPECT_EQ(self[kind].f1, has_any ? 1 : 0) << a;
      // Which of several longest subsequences is marked depends on the side: rougeLsum is not symmetric.
      if (std::string_view(kRougeKinds[kind]) == "rougeLsum") continue;
      EXPECT_EQ(forward[kind].precision, backward[kind].recall) << a << '|' << b;
      EXPECT_NEAR(forward[kind].f1, backward[kind].f1, kSame) << a << '|' << b;
    }
    EXPECT_LE(forward[1].f1 > 0, forward[0].f1 > 0) << "a pair in common is two words in common";
    EXPECT_LE(forward[2].precision, forward[0].precision) << a << '|' << b;
    EXPECT_LE(forward[3].precision, forward[0].precision) << "no word counts more often than both have it";
  }
}

TEST(Rouge, ManyAreAsOneByOne) {
  RandomTexts texts;
  std::vector<std::string> kept;
  for (int i = 0; i < 200; ++i) kept.push_back(texts.next());
  std::vector<RougePair> pairs;
  for (size_t i = 0; i < 100; ++i) pairs.push_back({kept[2 * i], kept[2 * i + 1]});
  const std::vector<RougeScores> scores = rouge(pairs, true);
  ASSERT_EQ(scores.size(), pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_EQ(numbers_of(scores[i]), numbers_of(rouge(pairs[i].reference, pairs[i].prediction, true)));
  }
}

TEST(Rouge, ASummaryHasTheMeansOfEachKind) {
  std::vector<RougeScores> scores(2);
  scores[0][0] = {.precision = 1, .recall = 0.5, .f1 = 0.25};
  scores[1][3] = {.precision = 0.5, .recall = 1, .f1 = 0.75};
  const auto summary = rouge_summary(scores);
  EXPECT_EQ(summary[0].mean.precision, 0.5);
  EXPECT_EQ(summary[0].mean.recall, 0.25);
  EXPECT_EQ(summary[3].mean.f1, 0.375);
  EXPECT_EQ(summary[1].f1.high, 0);
  EXPECT_EQ(summary[0].precision.high, 1);
  EXPECT_EQ(summary[0].recall.high, 0.5);
  EXPECT_EQ(summary[3].f1.low, 0);
  EXPECT_EQ(summary[3].f1.mid, 0.375);
  EXPECT_EQ(summary[3].f1.high, 0.75);
  EXPECT_ERROR_TEXT(rouge_summary({}), "0 scores are no records");
}

TEST(Bootstrap, QuantilesAreThoseOfNumPy) {
  const json cases = rouge_golden().at(2)["intervals"];
  EXPECT_EQ(cases.size(), 3u);
  for (const json& one : cases) {
    const auto values = one["values"].get<std::vector<double>>();
    for (size_t i = 0; i < one["shares"].size(); ++i) {
      EXPECT_NEAR(quantile(values, one["shares"][i]), one["quantiles"][i].get<double>(), kSame)
          << one["shares"][i];
    }
  }
  EXPECT_ERROR_TEXT(quantile({}, 0.5), "there are no values");
  EXPECT_ERROR_TEXT(quantile({1}, 1.5), "the share is 1.5");
}

// Other random numbers, as many samples: the bounds agree as well as those of two seeds of rouge-score do.
TEST(Bootstrap, IntervalsAreThoseOfRougeScore) {
  const json cases = rouge_golden().at(2)["intervals"];
  EXPECT_EQ(cases.size(), 3u);
  for (const json& one : cases) {
    const auto values = one["values"].get<std::vector<double>>();
    const Interval interval = bootstrap_intervals(values, 1, {.samples = 20000}).at(0);
    EXPECT_NEAR(interval.low, one["interval"][0].get<double>(), 0.004);
    EXPECT_NEAR(interval.mid, one["interval"][1].get<double>(), 0.004);
    EXPECT_NEAR(interval.high, one["interval"][2].get<double>(), 0.004);
  }
}

TEST(Bootstrap, TheSeedDecidesAndASampleTakesWholeRecords) {
  std::vector<double> scores;  // (40, 2): the second measure is 1 less the first
  for (int i = 0; i < 40; ++i) scores.insert(scores.end(), {i / 64.0, 1 - i / 64.0});
  const auto first = bootstrap_intervals(scores, 2), again = bootstrap_intervals(scores, 2);
  EXPECT_EQ(first[0].low, again[0].low);
  EXPECT_NE(first[0].low, bootstrap_intervals(scores, 2, {.seed = 1})[0].low);
  EXPECT_NEAR(first[0].low + first[1].high, 1, kSame);
  EXPECT_NEAR(first[0].mid + first[1].mid, 1, kSame);
  const auto narrow = bootstrap_intervals(scores, 2, {.confidence = 0.5});
  EXPECT_GT(narrow[0].low, first[0].low);
  EXPECT_LT(narrow[0].high, first[0].high);
  EXPECT_ERROR_TEXT(bootstrap_intervals(scores, 3), "80 scores are no records of 3 measures");
  EXPECT_ERROR_TEXT(bootstrap_intervals(scores, 2, {.samples = 0}), "0 samples, needed one at least");
}

}  // namespace
}  // namespace lf
