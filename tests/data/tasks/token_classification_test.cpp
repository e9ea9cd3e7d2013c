// The data of a token classification task: splits, classes, notices; and whatever a file holds, its reader
// gives sound texts or an Error that names the file.
#include "data/tasks/token_classification.h"

#include <gtest/gtest.h>

#include <iterator>

#include "core/escaped.h"
#include "tests/data/documents/document_input.h"
#include "tests/fuzz.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using Strings = std::vector<std::string>;

class TokenClassificationDataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string content;
    for (int i = 0; i < 20; ++i)
      content += "word" + std::to_string(i) + "\tO\nAnn\tB-person\n\nin\tO\nRome" + std::to_string(i) +
                 "\tB-place\n\n";
    write_text(folder_ / "train.conll", content);
    write_text(folder_ / "dev.conll", "Bob\tB-person\n\nOslo\tB-town\n");
  }
  TokenClassificationSource source() const { return {.train = folder_ / "train.conll"}; }
  static bool has_notice(const TokenClassificationData& data, const std::string& words) {
    for (const std::string& notice : data.notices)
      if (notice.find(words) != std::string::npos) return true;
    return false;
  }
  static Strings ids_in(const std::vector<TaggedText>& texts) {
    Strings ids;
    for (const TaggedText& tagged : texts) ids.push_back(tagged.id);
    return ids;
  }

  TemporaryFolder folder_;
};

TEST_F(TokenClassificationDataTest, ClassesAreThoseOfTheTrainingTypes) {
  TokenClassificationSource with_dev = source();
  with_dev.validation = folder_ / "dev.conll";
  const TokenClassificationData data = read_token_classification(with_dev);
  EXPECT_EQ(data.labels, (Strings{"O", "B-person", "I-person", "B-place", "I-place"}));
  EXPECT_TRUE(has_notice(data, "1 word of validation has the tag \"B-town\", which is no class"));
  write_text(folder_ / "e.conll", "a\tE-x\n");
  EXPECT_EQ(read_token_classification({.train = folder_ / "e.conll"}).labels,
            (Strings{"O", "B-x", "I-x", "E-x", "S-x"}));
  write_text(folder_ / "o.conll", "a\tO\n");
  EXPECT_ERROR_TEXT(read_token_classification({.train = folder_ / "o.conll"}),
                    "no word of 1 texts to train on is in an entity");
}

TEST_F(TokenClassificationDataTest, GivenLabelsAreKept) {
  TokenClassificationSource given = source();
  given.labels = {"B-place", "O", "B-person"};
  EXPECT_EQ(read_token_classification(given).labels, given.labels);
  given.labels = {"O", "B-place"};
  EXPECT_ERROR_TEXT(
      read_token_classification(given),
      "train.conll:1: \"1\" has the tag \"B-person\", which token_classification.labels does not have");
  given.labels = {"O", "place"};
  EXPECT_ERROR_TEXT(read_token_classification(given), "\"place\" is no tag");
  given.labels = {"B-place", "B-person"};
  EXPECT_ERROR_TEXT(read_token_classification(given), "the labels lack O");
  given.labels = {"O", "O"};
  EXPECT_ERROR_TEXT(read_token_classification(given), "a label is named twice");
}

TEST_F(TokenClassificationDataTest, SharesAndFilesDivideTheTrainingTexts) {
  TokenClassificationSource shares = source();
  shares.validation_share = 0.1;
  shares.test_share = 0.2;
  const TokenClassificationData data = read_token_classification(shares);
  EXPECT_EQ(data.train.size(), 28u);
  EXPECT_EQ(data.validation.size(), 4u);
  EXPECT_EQ(data.test.size(), 8u);
  EXPECT_TRUE(has_notice(data, "8 texts were cut from training for test"));
  EXPECT_EQ(ids_in(read_token_classification(shares).test), ids_in(data.test));
  write_text(folder_ / "splits.json", R"({"train": [1, 4], "test": ["7"]})");
  TokenClassificationSource by_file = source();
  by_file.split_file = folder_ / "splits.json";
  const TokenClassificationData divided = read_token_classification(by_file);
  EXPECT_EQ(ids_in(divided.train), (Strings{"1", "4"}));
  EXPECT_EQ(ids_in(divided.test), (Strings{"7"}));
  EXPECT_TRUE(divided.validation.empty());
  by_file.test = folder_ / "dev.conll";
  EXPECT_ERROR_TEXT(read_token_classification(by_file), "a split file divides what has no splits yet");
}

TEST_F(TokenClassificationDataTest, TextsOfTwoSplitsAreNoticed) {
  TokenClassificationSource leaking = source();
  write_text(folder_ / "test.conll", "word3\tO\nAnn\tO\n");
  leaking.test = folder_ / "test.conll";
  EXPECT_TRUE(has_notice(read_token_classification(leaking), "train"));
}

void expect_sound_texts_or_error(const std::string& path, const std::string& content,
                                 const TaggedFormat& format) {
  write_text(path, content);
  std::vector<std::string> notices;
  try {
    for (const TaggedText& tagged : read_tagged_texts(path, format, notices)) {
      EXPECT_TRUE(is_utf8(tagged.text)) << escaped(content);
      EXPECT_EQ(tagged.words.size(), tagged.tags.size()) << escaped(content);
      int64_t end = 0;
      for (const ByteRange& word : tagged.words) {
        EXPECT_LE(end, word.begin) << escaped(content);
        EXPECT_LT(word.begin, word.end) << escaped(content);
        end = word.end;
      }
      EXPECT_LE(end, std::ssize(tagged.text));
      EXPECT_FALSE(tagged.words.empty());
      for (const std::string& tag : tagged.tags) EXPECT_TRUE(is_tag(tag)) << escaped(tag);
    }
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind(path, 0), 0u) << error.what();
  }
}

TEST(TokenClassificationFuzz, ColumnsAndRecords) {
  const TemporaryFolder folder;
  const std::string columns = "#begin document a\nNew\tB-x\nYork\tI-x\n\n.\tO\n#end document\nz\tS-y\n";
  ByteMutator column_mutator(
      columns, {"\t", "\n", "\n\n", "#begin document", "-DOCSTART-", "B-", " ", "\xC3\xA9", "\xEF\xBB\xBF"},
      0, columns.size(), 1);
  for (FuzzRounds rounds(300); rounds.more();) {
    const std::string content = column_mutator.next();
    for (const TaggedUnit unit : {TaggedUnit::kSentences, TaggedUnit::kDocuments})
      expect_sound_texts_or_error(folder / "a.conll", content, {.columns = {.unit = unit}});
  }
  const std::string records =
      "{\"id\": 1, \"text\": \"Ann \xC3\xA9t\xC3\xA9 x\", \"entities\": [{\"start\": 4, \"end\": 7, "
      "\"label\": \"p\"}]}\n"
      "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"B-x\", \"O\"]}\n";
  ByteMutator record_mutator(records,
                             {"\"", "[", "]", "{", "}", "\"start\"", "0", "99", "null", "\\u00e9", ","}, 0,
                             records.size(), 2);
  for (FuzzRounds rounds(300); rounds.more();) {
    const std::string content = record_mutator.next();
    for (const BadRecords bad : {BadRecords::kRefuse, BadRecords::kLeaveOut})
      expect_sound_texts_or_error(folder / "a.jsonl", content, {.bad = bad});
  }
}

}  // namespace
}  // namespace lf
