// Coreference in columns: CoNLL's and LitBank's forms, and what is refused with file and line.
#include "data/tasks/coreference_columns.h"

#include <gtest/gtest.h>

#include "core/escaped.h"
#include "tests/data/documents/document_input.h"
#include "tests/fuzz.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

class CoreferenceColumnsTest : public ::testing::Test {
 protected:
  std::vector<CoreferenceDocument> read(const std::string& content) {
    write_text(folder_ / "a.conll", content);
    return read_coreference_columns(folder_ / "a.conll");
  }
  void refused(const std::string& content, const std::string& message) {
    EXPECT_ERROR_TEXT(read(content), folder_ / "a.conll" + message);
  }

  TemporaryFolder folder_;
};

TEST_F(CoreferenceColumnsTest, ChainsSentencesAndDocuments) {
  const auto documents = read(
      "#begin document (a/b); part 000\n"
      "a/b 0 0 The DT * (1|(2)\na/b 0 1 old JJ * -\na/b 0 2 man NN * 1)\n\n"
      "a/b 0 0 He PRP * (1)|(3\na/b 0 1 sat VBD * 3)\n#end document\n"
      "#begin document c\nc\t0\t0\tx\t_\t\nc\t0\t1\ty\t_\t(0)\t\n#end document c\n");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].id, "(a/b); part 000");
  EXPECT_EQ(documents[0].sentences,
            (std::vector<std::vector<std::string>>{{"The", "old", "man"}, {"He", "sat"}}));
  EXPECT_EQ(documents[0].words(), 5);
  EXPECT_EQ(documents[0].clusters, (std::vector<Cluster>{{{0, 1}}, {{0, 3}, {3, 4}}, {{3, 5}}}));
  EXPECT_EQ(documents[1].clusters, (std::vector<Cluster>{{{1, 2}}}));
}

TEST_F(CoreferenceColumnsTest, NestedAndRepeatedMentionsOfOneChain) {
  const auto documents =
      read("#begin document a\na 0 0 x (1|(1\na 0 1 y 1)\na 0 2 z 1)|(2\na 0 3 w 2)|(1)(1)\n#end document\n");
  EXPECT_EQ(documents[0].clusters, (std::vector<Cluster>{{{0, 2}, {0, 3}, {3, 4}}, {{2, 4}}}));
}

// As the official scorer reads a cell: what is of one word, then what begins, then what ends.
TEST_F(CoreferenceColumnsTest, WhatBeginsInACellBeginsBeforeWhatEnds) {
  const auto documents = read("#begin document a\na 0 0 x (5\na 0 1 y 5)|(5\na 0 2 z 5)\n#end document\n");
  EXPECT_EQ(documents[0].clusters, (std::vector<Cluster>{{{1, 2}, {0, 3}}}));
}

TEST_F(CoreferenceColumnsTest, RealFiles) {
  REQUIRE_SHARED(litbank, "data/coref/litbank/litbank_100.conll.gz");
  const auto documents = read_coreference_columns(litbank);
  EXPECT_EQ(documents.size(), 100u);
  int64_t words = 0;
  size_t mentions = 0;
  for (const CoreferenceDocument& document : documents) {
    words += document.words();
    for (const Cluster& cluster : document.clusters) mentions += cluster.size();
  }
  EXPECT_EQ(words, 210532);
  EXPECT_GT(mentions, 29000u);
}

TEST_F(CoreferenceColumnsTest, BadFilesAreRefused) {
  const auto document = [](const std::string& rows) {
    return "#begin document a\n" + rows + "#end document\n";
  };
  refused(document("a\n"), ":2: 1 columns, needed 2 or more");
  refused(document("a 0 0 x 1)\n"), ":2: chain 1 ends and has not begun");
  refused(document("a 0 0 x (1\n"), ":3: chain 1 of \"a\" begins and has no end");
  for (const char* chains : {"1", "(x)", "()", "(1)x", "|(1)", "(1||2)", "(1)|", "(-1)"})
    refused(document(std::string("a 0 0 x ") + chains + "\n"),
            std::string(":2: \"") + chains + "\" are no chains");
  refused("a 0 0 x -\n", ":1: a row outside a document");
  refused("#begin document a\n", ": the document \"a\" has no end");
  refused("#begin document a\n#begin document b\n", ":2: a document begins, but \"a\" has no end");
  refused("#end document\n", ":1: a document ends that has not begun");
  refused("\n", ": no documents");
  refused(document("a 0 0 x -\n") + document("a 0 0 x -\n"), ":4: the id \"a\" is given twice");
}

TEST(CoreferenceFuzz, Columns) {
  const TemporaryFolder folder;
  const std::string content =
      "#begin document a\na\t0\t0\tx\t_\t(1|(2)\n\na\t0\t1\ty\t_\t1)\n#end document\n#begin document b\nb 0 "
      "0 z -\n"
      "#end document\n";
  ByteMutator mutator(
      content,
      {"(", ")", "|", "(1)", "\n", "\t", " ", "#end document", "#begin document", "9999999999999999999"}, 0,
      content.size(), 4);
  for (FuzzRounds rounds(500); rounds.more();) {
    const std::string path = folder / "a.conll", changed = mutator.next();
    write_text(path, changed);
    try {
      for (const CoreferenceDocument& document : read_coreference_columns(path)) {
        for (const Cluster& cluster : document.clusters) {
          EXPECT_FALSE(cluster.empty());
          for (const Mention& mention : cluster)
            EXPECT_TRUE(mention.begin >= 0 && mention.begin < mention.end && mention.end <= document.words());
        }
      }
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(path, 0), 0u) << error.what();
    }
  }
}

}  // namespace
}  // namespace lf
