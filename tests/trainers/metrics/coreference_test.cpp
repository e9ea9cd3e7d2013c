// Scores of coreference against the published cases of CoNLL's official scorer
// (conll/reference-coreference-scorers, test/TestCases.README and CorefMetricTestConfig.pm, CC BY-SA 4.0),
// the example of LEA's paper, and an exhaustive search for the best assignment.
#include "trainers/metrics/coreference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "core/files.h"
#include "data/tasks/coreference_columns.h"
#include "tests/places.h"
#include "tests/testing.h"
#include "trainers/metrics/assignment.h"

namespace lf {
namespace {

using enum CoreferenceMetric;

// "{a} {bc}": each letter is a mention.
std::vector<Cluster> clusters_of(const std::string& letters) {
  std::vector<Cluster> clusters;
  for (const char letter : letters) {
    if (letter == '{') clusters.emplace_back();
    if (std::isalnum(static_cast<unsigned char>(letter))) clusters.back().push_back({letter, letter + 1});
  }
  return clusters;
}

CoreferenceScores scores_of(const std::string& key, const std::string& response) {
  CoreferenceScores scores;
  scores.add(clusters_of(key), clusters_of(response));
  return scores;
}

struct PublishedCase {
  const char *name, *key, *response;
  CoreferenceMetric metric;
  double recall, precision, f1;  // f1 as it is printed, to two places or more
};

constexpr const char* kKey = "{a} {bc} {def}";
const PublishedCase kCases[] = {
    {"A1", kKey, "{a} {bc} {def}", b_cubed, 1, 1, 1},
    {"A1", kKey, "{a} {bc} {def}", blanc, 1, 1, 1},
    {"A2", kKey, "{a} {de}", b_cubed, 7.0 / 18, 1, 0.56},
    {"A2", kKey, "{a} {de}", muc, 1.0 / 3, 1, 0.5},
    {"A2", kKey, "{a} {de}", ceafm, 0.5, 1, 0.6667},
    {"A2", kKey, "{a} {de}", ceafe, 0.6, 0.9, 0.72},
    {"A2", kKey, "{a} {de}", blanc, (1.0 / 4 + 2.0 / 11) / 2, 1, 0.35385},
    {"A3", kKey, "{a} {bcx} {defy} {z}", b_cubed, 1, 55.0 / 108, 0.6748},
    {"A3", kKey, "{a} {bcx} {defy} {z}", muc, 1, 3.0 / 5, 0.75},
    {"A3", kKey, "{a} {bcx} {defy} {z}", ceafm, 1, 6.0 / 9, 0.8},
    {"A3", kKey, "{a} {bcx} {defy} {z}", ceafe, 0.885714286, 0.664285714, 0.75918},
    {"A3", kKey, "{a} {bcx} {defy} {z}", blanc, 1, (4.0 / 9 + 11.0 / 27) / 2, 0.59717},
    {"A4", kKey, "{a} {bcx} {dy} {z}", b_cubed, 5.0 / 9, 17.0 / 42, 0.4683},
    {"A4", kKey, "{a} {bcx} {dy} {z}", muc, 1.0 / 3, 1.0 / 3, 0.3333},
    {"A4", kKey, "{a} {bcx} {dy} {z}", ceafe, 2.2 / 3, 0.55, 0.62857},
    {"A4", kKey, "{a} {bcx} {dy} {z}", blanc, 0.3522727, 0.2720588, 0.30357},
    {"A10", kKey, "{a} {b} {c} {d} {e} {f}", b_cubed, 0.5, 1, 0.6667},
    {"A10", kKey, "{a} {b} {c} {d} {e} {f}", muc, 0, 0, 0},
    {"A10", kKey, "{a} {b} {c} {d} {e} {f}", blanc, 0.5, 11.0 / 30, 0.42308},
    {"A11", kKey, "{abcdef}", b_cubed, 1, 7.0 / 18, 0.56},
    {"A11", kKey, "{abcdef}", blanc, 0.5, 2.0 / 15, 0.21053},
    {"A12", kKey, "{a} {x} {y} {c} {d} {e} {z}", b_cubed, 13.0 / 36, 4.0 / 7, 0.4425},
    {"A12", kKey, "{a} {x} {y} {c} {d} {e} {z}", blanc, 5.0 / 22, 5.0 / 42, 0.15625},
    {"A13", kKey, "{axycdez}", b_cubed, 17.0 / 36, 6.0 / 49, 0.19447},
    {"A13", kKey, "{axycdez}", muc, 1.0 / 3, 1.0 / 6, 0.2222},
    {"A13", kKey, "{axycdez}", blanc, 1.0 / 8, 1.0 / 42, 0.04},
    {"B1", "{ab} {cde}", "{bcx} {de}", blanc, 7.0 / 24, 7.0 / 24, 0.2917},
    {"C1", "{ab} {cde} {fg}", "{bcx} {de} {fg}", blanc, 0.5125, 0.5125, 0.5125},
    {"D1", "{12345} {67} {89ABC}", "{12345} {6789ABC}", b_cubed, 1, 16.0 / 21, 0.864864865},
    {"D1", "{12345} {67} {89ABC}", "{12345} {6789ABC}", muc, 1, 9.0 / 10, 0.947368421},
    {"E1", "{12345} {67} {89ABC}", "{1234589ABC} {67}", b_cubed, 1, 7.0 / 12, 0.736842105},
    {"F1", "{abcd}", "{ab} {cd}", muc, 2.0 / 3, 1, 0.8},
    {"G1", "{ab} {cd}", "{abcd}", muc, 1, 2.0 / 3, 0.8},
    {"J1", "{abc}", "{ac}", muc, 0.5, 1, 0.6667},
    {"K1", "{bcdeghj}", "{abc} {def} {ghi}", muc, 0.5, 0.5, 0.5},
    {"L1", "{abc} {defg}", "{ab} {cd} {fgh}", muc, 0.4, 0.5, 0.4444},
    {"M1", "{abcdef}", "{abcdef}", blanc, 1, 1, 1},
    {"M2", "{abcdef}", "{a} {b} {c} {d} {e} {f}", blanc, 0, 0, 0},
    {"M3", "{abcdef}", "{ab} {cde} {f}", blanc, 4.0 / 15, 1, 0.42},
    {"M4", "{abcdef}", "{abcxyz}", blanc, 0.2, 0.2, 0.2},
    {"M6", "{abcdef}", "{ab} {cxy} {z}", blanc, 1.0 / 15, 1.0 / 4, 0.11},
    {"N1", "{a} {b} {c} {d} {e} {f}", "{a} {b} {c} {d} {e} {f}", blanc, 1, 1, 1},
    {"N2", "{a} {b} {c} {d} {e} {f}", "{abcdef}", blanc, 0, 0, 0},
    {"N3", "{a} {b} {c} {d} {e} {f}", "{ab} {cde} {f}", blanc, 11.0 / 15, 1, 0.846},
    {"N6", "{a} {b} {c} {d} {e} {f}", "{ab} {cxy} {z}", blanc, 2.0 / 15, 2.0 / 11, 0.154},
    // Moosavi and Strube 2016, section 5: 0.24, 0.33 and 0.28.
    {"LEA", "{abc} {defg}", "{ab} {cd} {fghi}", lea, (3.0 / 3 + 4.0 / 6) / 7, (2.0 + 0 + 4.0 / 6) / 8,
     0.2780},
};

TEST(Coreference, EqualsThePublishedCases) {
  for (const PublishedCase& c : kCases) {
    const CoreferenceScore score = scores_of(c.key, c.response).score(c.metric);
    const std::string what = std::string(c.name) + " " + names_of(c.metric)[static_cast<size_t>(c.metric)];
    EXPECT_NEAR(score.recall, c.recall, 1e-7) << what;
    EXPECT_NEAR(score.precision, c.precision, 1e-7) << what;
    EXPECT_NEAR(score.f1, c.f1, 5e-3) << what;
  }
}

TEST(Coreference, EqualsTheOfficialScorersFixtures) {
  REQUIRE_SHARED(folder, "data/coref/scorer-fixtures");
  int64_t values = 0;
  for (const nlohmann::json& one : nlohmann::json::parse(read_file(folder + "/expected.json"))) {
    const auto key = read_coreference_columns(folder + "/" + one.at("key").get<std::string>());
    const auto response = read_coreference_columns(folder + "/" + one.at("response").get<std::string>());
    ASSERT_EQ(key.size(), response.size()) << one;
    CoreferenceScores scores;
    for (size_t i = 0; i < key.size(); ++i) scores.add(key[i].clusters, response[i].clusters);
    for (const CoreferenceMetric metric : kCoreferenceMetrics) {
      const std::string name = names_of(metric)[static_cast<size_t>(metric)];
      const nlohmann::json& expected = one.at("expected_recall_precision_f1");
      if (!expected.contains(name)) continue;
      const CoreferenceScore score = scores.score(metric);
      EXPECT_NEAR(score.recall, expected[name][0], 1e-5) << one["id"] << name;
      EXPECT_NEAR(score.precision, expected[name][1], 1e-5) << one["id"] << name;
      EXPECT_NEAR(score.f1, expected[name][2], 1e-5) << one["id"] << name;
      ++values;
    }
  }
  EXPECT_GT(values, 40);
}

TEST(Coreference, SumsDocuments) {
  CoreferenceScores both;
  both.add(clusters_of("{ab}"), clusters_of("{ab}"));
  both.add(clusters_of("{abc}"), clusters_of("{a} {b} {c}"));
  EXPECT_DOUBLE_EQ(both.score(muc).recall, 1.0 / 3);
  EXPECT_DOUBLE_EQ(both.score(mentions).f1, 1);
  EXPECT_DOUBLE_EQ(both.conll(), (both.score(muc).f1 + both.score(b_cubed).f1 + both.score(ceafe).f1) / 3);
  CoreferenceScores none;
  none.add({}, {});
  EXPECT_EQ(none.conll(), 0);
  EXPECT_EQ(none.score(blanc).f1, 0);
  EXPECT_DOUBLE_EQ(scores_of("{a}", "{a}").score(blanc).f1, 0)
      << "without any link, as the official scorer has it";
  EXPECT_DOUBLE_EQ(scores_of("{a}", "{a}").score(lea).f1, 1);
  EXPECT_DOUBLE_EQ(scores_of("{a}", "{ab}").score(lea).recall, 0);
  EXPECT_ERROR_TEXT(scores_of("{ab}", "{aa}"), "is there twice");
}

TEST(Assignment, IsTheBestOfAll) {
  std::mt19937 random(9);
  for (int round = 0; round < 200; ++round) {
    const size_t rows = 1 + random() % 5, columns = 1 + random() % 5;
    std::vector<std::vector<double>> weights(rows, std::vector<double>(columns));
    for (auto& row : weights) {
      for (double& weight : row) weight = random() % 3 == 0 ? 0 : static_cast<double>(random() % 1000) / 100;
    }
    std::vector<size_t> order(std::max(rows, columns));
    std::iota(order.begin(), order.end(), 0);
    double best = 0;
    do {
      double sum = 0;
      for (size_t i = 0; i < rows; ++i) sum += order[i] < columns ? weights[i][order[i]] : 0;
      best = std::max(best, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_NEAR(best_assignment(weights), best, 1e-9);
  }
  EXPECT_EQ(best_assignment({}), 0);
}

}  // namespace
}  // namespace lf
