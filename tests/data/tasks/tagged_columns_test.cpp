// Tagged words in columns: WNUT's, CoNLL-2003's and LitBank's forms, and what is refused with file and line.
#include "data/tasks/tagged_columns.h"

#include <gtest/gtest.h>

#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

class TaggedColumnsTest : public ::testing::Test {
 protected:
  std::vector<TaggedText> read(const std::string& content, const TaggedColumns& columns = {}) {
    write_text(folder_ / "a.conll", content);
    return read_tagged_columns(folder_ / "a.conll", columns);
  }
  // "word/tag word/tag" of each text.
  static std::vector<std::string> shown_texts(const std::vector<TaggedText>& texts) {
    std::vector<std::string> shown;
    for (const TaggedText& tagged : texts) {
      std::string& line = shown.emplace_back(tagged.id + ":");
      for (size_t i = 0; i < tagged.words.size(); ++i) {
        const ByteRange& word = tagged.words[i];
        line +=
            " " +
            tagged.text.substr(static_cast<size_t>(word.begin), static_cast<size_t>(word.end - word.begin)) +
            "/" + tagged.tags[i];
      }
    }
    return shown;
  }
  void refused(const std::string& content, const std::string& message, const TaggedColumns& columns = {}) {
    EXPECT_ERROR_TEXT(read(content, columns), folder_ / "a.conll" + message);
  }

  TemporaryFolder folder_;
};

using Shown = std::vector<std::string>;

TEST_F(TaggedColumnsTest, SentencesOfTwoColumns) {
  EXPECT_EQ(shown_texts(read("@paul\tO\nEmpire\tB-place\n\n\n#tag\tO\r\n")),
            (Shown{"1: @paul/O Empire/B-place", "5: #tag/O"}));
  const std::vector<TaggedText> texts = read("New York\tB-a\nx\tO\n");
  EXPECT_EQ(texts[0].text, " New York x");
  EXPECT_TRUE(texts[0].is_list);
}

TEST_F(TaggedColumnsTest, ColumnsBetweenBlanksAndMarksOfDocuments) {
  const std::string conll =
      "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP I-PER\n\n"
      "-DOCSTART- -X- -X- O\n\nBonn NNP B-NP I-LOC\n";
  EXPECT_EQ(shown_texts(read(conll)), (Shown{"3: EU/I-ORG rejects/O", "6: Peter/I-PER", "10: Bonn/I-LOC"}));
  EXPECT_EQ(shown_texts(read(conll, {.unit = TaggedUnit::kDocuments})),
            (Shown{"3: EU/I-ORG rejects/O Peter/I-PER", "10: Bonn/I-LOC"}));
  EXPECT_EQ(shown_texts(read(conll, {.tag = -2})).front(), "3: EU/B-NP rejects/B-VP");
  EXPECT_EQ(shown_texts(read("B-a,x y\nO,z\n", {.separator = ",", .word = 2, .tag = 1})),
            (Shown{"1: x y/B-a z/O"}));
}

// Rows of LitBank's entities end with empty columns, some with more of them than others.
TEST_F(TaggedColumnsTest, NestedLayersAndNamedDocuments) {
  const std::string litbank =
      "#begin document a_b.tsv\nthe\tO\tO\t\nLord\tB-PER\tB-PER\t\t\n\nsat\tO\tO\t\n#end document\n"
      "#begin document c.tsv\nx\tB-FAC\tO\t\n#end document\n";
  EXPECT_EQ(shown_texts(read(litbank, {.tag = 2, .unit = TaggedUnit::kDocuments})),
            (Shown{"a_b.tsv: the/O Lord/B-PER sat/O", "c.tsv: x/B-FAC"}));
  EXPECT_EQ(shown_texts(read(litbank, {.tag = 2})), (Shown{"2: the/O Lord/B-PER", "5: sat/O", "8: x/B-FAC"}));
}

// Sentences are lists of their own for seqeval, so that no entity goes on over their end.
TEST_F(TaggedColumnsTest, NoEntityGoesOnOverTheEndOfASentence) {
  const std::vector<TaggedText> texts =
      read("a\tI-x\n\n\nb\tI-x\nc\tI-x\n\nd\tI-y\n\ne\tE-y\n", {.unit = TaggedUnit::kDocuments});
  EXPECT_EQ(texts[0].sentences, (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(entities_of(texts[0].tags, texts[0].sentences),
            (std::vector<Entity>{{0, 1, "x"}, {1, 3, "x"}, {3, 4, "y"}, {4, 5, "y"}}));
}

TEST_F(TaggedColumnsTest, RealFiles) {
  REQUIRE_SHARED(wnut, "data/ner/wnut17/wnut17train.conll");
  EXPECT_EQ(read_tagged_columns(wnut, {}).size(), 3394u);
  REQUIRE_SHARED(litbank, "data/ner/litbank/litbank_entities.tsv.gz");
  const std::vector<TaggedText> texts =
      read_tagged_columns(litbank, {.tag = 2, .unit = TaggedUnit::kDocuments});
  EXPECT_EQ(texts.size(), 100u);
  size_t words = 0;
  for (const TaggedText& tagged : texts) words += tagged.words.size();
  EXPECT_EQ(words, 210532u);
}

TEST_F(TaggedColumnsTest, BadFilesAreRefused) {
  refused("a\tO\nb O\n", ":2: 1 column, the first row (" + (folder_ / "a.conll") + ":1) has 2");
  refused("a\tO\nb\tx\tO\n", ":2: 3 columns");
  refused("a\tO\nb\t\n", ":2: 1 column");
  refused("a\tNOUN\n", ":1: \"NOUN\" is no tag; needed O, or B-, I-, E- or S- and a type");
  refused(" \tO\n", ":1: an empty word");
  refused("a\n", ":1: words and tags would both be column 1 of 1; is another separator needed?");
  refused("a\tO\n", ":1: the tags are to be in column 3, but there are 2", {.tag = 3});
  refused("a\tO\n", ":1: the words are to be in column 0, but there are 2", {.word = 0});
  refused("\n\n", ": no words");
  refused("a\tO\n\xFF\tO\n", ":2: not valid UTF-8");
  refused("#begin document x\na\tO\n#begin document x\nb\tO\n", ":4: the id \"x\" is given twice",
          {.unit = TaggedUnit::kDocuments});
  refused("#begin document x\n#end document\n", ":2: the document \"x\" before it has no words",
          {.unit = TaggedUnit::kDocuments});
}

}  // namespace
}  // namespace lf
