// Entities and their scores against seqeval (tests/golden/entities.jsonl), and what follows from definitions.
#include "trainers/metrics/entity_scores.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <iterator>

#include "core/files.h"
#include "tests/program.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;
using Tags = std::vector<std::string>;

constexpr double kSameScore = 1e-12;

void expect_counts(const EntityCounts& counts, const json& expected, const std::string& what) {
  EXPECT_NEAR(counts.precision(), expected[0], kSameScore) << what;
  EXPECT_NEAR(counts.recall(), expected[1], kSameScore) << what;
  EXPECT_NEAR(counts.f1(), expected[2], kSameScore) << what;
}

// [type, first word, last word], with a gap of one word between sentences.
json entities_as_seqeval(const std::vector<Tags>& sentences) {
  json list = json::array();
  int64_t first = 0;
  for (const Tags& tags : sentences) {
    for (const Entity& entity : entities_of(tags))
      list.push_back({entity.type, first + entity.begin, first + entity.end - 1});
    first += std::ssize(tags) + 1;
  }
  return list;
}

TEST(EntityScores, EqualSeqevals) {
  int64_t cases = 0;
  for (const std::string& line : lines_of(read_file(source_path("tests/golden/entities.jsonl")))) {
    const json record = json::parse(line);
    if (!record.contains("expected")) continue;
    const auto expected = record["expected"].get<std::vector<Tags>>();
    const auto predicted = record["predicted"].get<std::vector<Tags>>();
    EXPECT_EQ(entities_as_seqeval(expected), record["expected_entities"]) << line;
    EXPECT_EQ(entities_as_seqeval(predicted), record["predicted_entities"]) << line;
    EntityScores scores;
    for (size_t i = 0; i < expected.size(); ++i)
      scores.add(entities_of(expected[i]), entities_of(predicted[i]));
    const json& wanted = record["scores"];
    expect_counts(scores.all(), wanted["micro"], line);
    EXPECT_NEAR(scores.macro_f1(), wanted["macro"][2], kSameScore) << line;
    EXPECT_NEAR(scores.weighted_f1(), wanted["weighted"][2], kSameScore) << line;
    EXPECT_EQ(scores.types().size(), wanted["types"].size()) << line;
    for (const auto& [type, counts] : scores.types()) {
      expect_counts(counts, wanted["types"].at(type), type + " of " + line);
      EXPECT_EQ(counts.expected, wanted["types"].at(type)[3]) << line;
    }
    ++cases;
  }
  EXPECT_GT(cases, 100);
}

TEST(EntityScores, NothingFoundAndNothingToFind) {
  EntityScores scores;
  EXPECT_EQ(scores.all().f1(), 0);
  EXPECT_EQ(scores.macro_f1(), 0);
  scores.add({}, {{0, 1, "a"}});
  EXPECT_EQ(scores.all().precision(), 0);
  EXPECT_EQ(scores.weighted_f1(), 0);
  scores.add({{0, 2, "a"}}, {{0, 2, "a"}, {0, 2, "b"}});
  EXPECT_DOUBLE_EQ(scores.all().precision(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores.all().recall(), 1);
}

}  // namespace
}  // namespace lf
