// Entities in JSON lines: spans in characters and tags of tokens, what is counted, and what is refused.
#include "data/tasks/tagged_records.h"

#include <gtest/gtest.h>

#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

class TaggedRecordsTest : public ::testing::Test {
 protected:
  std::vector<TaggedText> read(const std::string& content, BadRecords bad = BadRecords::kRefuse,
                               TagScheme scheme = TagScheme::kBio) {
    write_text(folder_ / "a.jsonl", content);
    notices_.clear();
    return read_tagged_records(folder_ / "a.jsonl", scheme, bad, notices_);
  }
  void refused(const std::string& content, const std::string& message) {
    EXPECT_ERROR_TEXT(read(content), folder_ / "a.jsonl" + message);
  }
  static std::vector<std::string> words_in(const TaggedText& tagged) {
    std::vector<std::string> words;
    for (const ByteRange& word : tagged.words)
      words.push_back(
          tagged.text.substr(static_cast<size_t>(word.begin), static_cast<size_t>(word.end - word.begin)));
    return words;
  }

  TemporaryFolder folder_;
  std::vector<std::string> notices_;
};

using Strings = std::vector<std::string>;

TEST_F(TaggedRecordsTest, SpansCountCharacters) {
  const std::vector<TaggedText> texts = read(
      "{\"id\": 7, \"text\": \"Zo\u00eb's in S\u00e3o Paulo.\", \"entities\": [{\"start\": 9, \"end\": 18, "
      "\"label\": \"place\", "
      "\"text\": \"S\u00e3o Paulo\"}, {\"start\": 0, \"end\": 3, \"type\": \"person\"}]}\n\n{\"text\": \"no "
      "one\", \"entities\": "
      "[]}\n",
      BadRecords::kRefuse, TagScheme::kIobes);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0].id, "7");
  EXPECT_EQ(words_in(texts[0]), (Strings{"Zo\u00eb", "'s", "in", "S\u00e3o", "Paulo", "."}));
  EXPECT_EQ(texts[0].tags, (Strings{"S-person", "O", "O", "B-place", "E-place", "O"}));
  EXPECT_FALSE(texts[0].is_list);
  EXPECT_EQ(texts[1].id, "3");
  EXPECT_EQ(texts[1].tags, (Strings{"O", "O"}));
  EXPECT_TRUE(notices_.empty());
}

TEST_F(TaggedRecordsTest, TokensHaveTags) {
  const std::vector<TaggedText> texts =
      read(R"({"tokens": ["New York", "is"], "tags": ["B-place", "O"], "extra": 1})");
  EXPECT_EQ(words_in(texts[0]), (Strings{"New York", "is"}));
  EXPECT_TRUE(texts[0].is_list);
}

TEST_F(TaggedRecordsTest, SpansInsideWordsAreWidenedWhichIsSaid) {
  const std::vector<TaggedText> texts = read(
      R"({"id": "a", "text": "Bavarians  sing", "entities": [{"start": 0, "end": 7, "label": "p"}, {"start": 9, "end": 15, "label": "q"}]})");
  EXPECT_EQ(texts[0].tags, (Strings{"B-p", "B-q"}));  // white space is in no word
  EXPECT_EQ(notices_,
            (Strings{folder_ / "a.jsonl: 1 of the entities begin or end inside a word and count with all "
                               "of it: in a"}));
}

TEST_F(TaggedRecordsTest, BadRecordsAreCountedAndNamed) {
  const std::string content =
      R"({"id": "a", "text": "good", "entities": []}
{"id": "b", "text": "over lap", "entities": [{"start": 0, "end": 6, "label": "p"}, {"start": 5, "end": 8, "label": "q"}]}
not json
{"id": "d", "text": "good too", "entities": []}
)";
  refused(content, ":2: the \"p\" from 0 to 6 and the \"q\" from 5 to 8 overlap; 2 of 4 records are bad");
  EXPECT_EQ(read(content, BadRecords::kLeaveOut).size(), 2u);
  ASSERT_EQ(notices_.size(), 1u);
  EXPECT_NE(notices_[0].find("a.jsonl: 2 of 4 records were left out: "), std::string::npos) << notices_[0];
  EXPECT_NE(notices_[0].find("a.jsonl:3"), std::string::npos) << notices_[0];
  EXPECT_ERROR_TEXT(read("{}\n[]\n", BadRecords::kLeaveOut), "all 2 records are bad");
}

TEST_F(TaggedRecordsTest, WhatIsBadAboutARecord) {
  const auto spans = [](const std::string& entities) {
    return R"({"text": "one two", "entities": )" + entities + "}";
  };
  refused(spans("[{\"start\": 0, \"end\": 8, \"label\": \"p\"}]"),
          ":1: entity 1: end is 8, but the text has 7 characters");
  refused(spans("[{\"start\": -1, \"end\": 8, \"label\": \"p\"}]"), ":1: entity 1: start is -1");
  refused(spans("[{\"start\": 2, \"end\": 2, \"label\": \"p\"}]"), ":1: entity 1 is empty: from 2 to 2");
  refused(spans("[{\"start\": 3, \"end\": 4, \"label\": \"p\"}]"), ":1: the \"p\" from 3 to 4 has no word");
  refused(spans("[{\"start\": 0, \"label\": \"p\"}]"), ":1: entity 1: no whole number \"end\"");
  refused(spans("[{\"start\": 0, \"end\": 3}]"), ":1: entity 1: no text \"label\"");
  refused(spans("[{\"start\": 0, \"end\": 3, \"label\": \"p\", \"text\": \"two\"}]"),
          ":1: entity 1 is to be \"\\\"two\\\"\", but characters 0 to 3 are \"one\"");
  refused(
      spans("[{\"start\": 0, \"end\": 1, \"label\": \"p\"}, {\"start\": 2, \"end\": 3, \"label\": \"q\"}]"),
      ":1: the \"p\" from 0 to 1 and the \"q\" from 0 to 1 share a word (counted in words)");
  refused(spans("3"), ":1: \"entities\" is a JSON number, needed a list");
  refused(spans("[3]"), ":1: entity 1 is a JSON number");
  refused(R"({"text": " ", "entities": []})", ":1: the text has no words");
  refused(R"({"text": "a"})", ":1: no \"entities\"");
  refused(R"({"text": "a", "tokens": ["a"]})", ":1: both text and tokens");
  refused(R"({"tokens": ["a"], "tags": ["O", "O"]})", ":1: 2 tags for 1 tokens");
  refused(R"({"tokens": ["a"], "tags": ["NOUN"]})", ":1: \"NOUN\" is no tag");
  refused(R"({"tokens": ["a", " "], "tags": ["O", "O"]})", ":1: \"tokens\" has \" \", needed words");
  refused(R"({"tokens": [], "tags": []})", ":1: \"tokens\" is empty");
  refused(R"({"tokens": [1], "tags": ["O"]})", ":1: \"tokens\" has 1, needed a text");
  refused(
      "{\"id\": 1, \"tokens\": [\"a\"], \"tags\": [\"O\"]}\n{\"id\": \"1\", \"tokens\": [\"a\"], \"tags\": "
      "[\"O\"]}",
      ":2: the id \"1\" is given twice");
  refused("\n", ": no records");
}

}  // namespace
}  // namespace lf
