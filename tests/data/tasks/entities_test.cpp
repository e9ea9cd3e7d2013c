// Entities, tags and back.
#include "data/tasks/entities.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/testing.h"

namespace lf {
namespace {

using Tags = std::vector<std::string>;

TEST(Entities, TagsThatSayOneThingInSeveralWays) {
  const std::vector<Entity> expected = {{0, 2, "a"}, {2, 3, "a"}, {4, 5, "b-c"}};
  for (const Tags& tags : {Tags{"B-a", "I-a", "B-a", "O", "B-b-c"}, Tags{"I-a", "I-a", "B-a", "O", "I-b-c"},
                           Tags{"B-a", "E-a", "S-a", "O", "S-b-c"}, Tags{"I-a", "E-a", "I-a", "O", "E-b-c"}})
    EXPECT_EQ(entities_of(tags), expected);
  EXPECT_TRUE(entities_of(Tags{}).empty());
  EXPECT_TRUE(entities_of(Tags{"O", "O"}).empty());
  EXPECT_EQ(entities_of(Tags{"I-a", "I-b"}), (std::vector<Entity>{{0, 1, "a"}, {1, 2, "b"}}));
}

TEST(Entities, EveryListOfThemComesBackFromItsTags) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<Entity> entities;
    int64_t at = 0;
    while (at < 20) {
      at += static_cast<int64_t>(random() % 3);
      const int64_t end = at + 1 + static_cast<int64_t>(random() % 3);
      entities.push_back({at, end, random() % 2 ? "a" : "b"});
      at = end;
    }
    for (const TagScheme scheme : {TagScheme::kBio, TagScheme::kIobes})
      EXPECT_EQ(entities_of(tags_of(entities, at, scheme)), entities);
  }
}

TEST(Entities, WhatIsNoTagAndWhatSharesWords) {
  for (const char* tag : {"", "B", "B-", "NOUN", "o", "L-a", "b-a", "BI-a"}) EXPECT_FALSE(is_tag(tag)) << tag;
  for (const char* tag : {"O", "B-a", "I-a-b", "E--", "S-O"}) EXPECT_TRUE(is_tag(tag)) << tag;
  EXPECT_ERROR_TEXT(tags_of({{0, 2, "a"}, {1, 3, "b"}}, 4, TagScheme::kBio), "two entities share word 1");
  EXPECT_ERROR_TEXT(tags_of({{0, 5, "a"}}, 4, TagScheme::kBio), "an entity of the words 0 to 5 of 4");
}

}  // namespace
}  // namespace lf
