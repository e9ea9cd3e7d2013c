// Splits of labelled documents: shares, split files, leaks, labels, and the one entry.
#include "data/tasks/classification.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "data/tasks/classification_splits.h"
#include "tests/data/tasks/classification_input.h"

namespace lf {
namespace {

using Documents = std::vector<LabelledDocument>;
using Names = std::vector<std::string>;

Documents many(int count) {
  Documents documents;
  for (int i = 0; i < count; ++i)
    documents.push_back(
        document(std::to_string(i), "text " + std::to_string(i), i % 4 == 0 ? "few" : "many"));
  return documents;
}

int64_t count_label(const Documents& documents, const std::string& label) {
  return std::count_if(documents.begin(), documents.end(),
                       [&](const LabelledDocument& d) { return d.label == label; });
}

TEST(CutShare, TakesTheSameOfEachLabelInAnyOrder) {
  Documents left = many(200);
  const Documents cut = cut_share(left, 0.1, 7);
  EXPECT_EQ(count_label(cut, "few"), 5);
  EXPECT_EQ(count_label(cut, "many"), 15);
  EXPECT_EQ(left.size(), 180u);
  Documents reversed = many(200);
  std::reverse(reversed.begin(), reversed.end());
  Names ids = ids_of(cut_share(reversed, 0.1, 7));
  std::reverse(ids.begin(), ids.end());
  EXPECT_EQ(ids, ids_of(cut));
  Documents other = many(200);
  EXPECT_NE(ids_of(cut_share(other, 0.1, 8)), ids_of(cut));
  std::set<std::string> all;
  for (const Documents* part : std::initializer_list<const Documents*>{&cut, &left}) {
    for (const LabelledDocument& d : *part) all.insert(d.id);
  }
  EXPECT_EQ(all.size(), 200u);
  Documents few = many(3);
  EXPECT_ERROR(cut_share(few, 0.1, 7), "a share of 0.1 of 3 documents is none of them");
  EXPECT_ERROR(cut_share(few, 1, 7), "a share of 1, needed 0 < share < 1");
}

TEST(CutShare, KeepsEqualTextsTogether) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    DocumentSplits splits;
    for (int i = 0; i < 60; ++i)
      splits.train.push_back(
          document(std::to_string(i), text("text ", i / 3, i % 3 == 0 ? " " : "  end"), "x"));
    splits.validation = cut_share(splits.train, 0.3, seed);
    EXPECT_GE(splits.validation.size(), 18u);
    EXPECT_LE(splits.validation.size(), 19u);
    for (const std::string& notice : find_leaks(splits))
      EXPECT_PRED_FORMAT2(testing::IsSubstring, "repeat an earlier one's text", notice);
  }
}

class ClassificationTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    write_text(folder_ / name, content);
    return folder_ / name;
  }
  std::string csv(const std::string& name, const Documents& documents) {
    std::string content = "id,text,label\n";
    for (const LabelledDocument& d : documents) content += d.id + "," + d.text + "," + *d.label + "\n";
    return write(name, content);
  }
  const TemporaryFolder folder_;
};

TEST_F(ClassificationTest, SplitFilesAreFollowedAndTheirOverlapsNoticed) {
  const Documents documents = {document("001", "a", "x"), document("002", "b", "y"),
                               document("003", "c", "x"), document("k", "d", "y")};
  std::string path = write("s.json", R"({"train": [1, "k"], "dev": ["003", 1], "test": [3]})");
  Names notices;
  const DocumentSplits splits = divide_by_file(documents, path, notices);
  EXPECT_EQ(ids_of(splits.train), (Names{"001", "k"}));
  EXPECT_EQ(ids_of(splits.validation), (Names{"003", "001"}));
  EXPECT_EQ(ids_of(splits.test), (Names{"003"}));
  EXPECT_EQ(notices, (Names{path + ": 1 id of train is in validation too: 001",
                            path + ": 1 id of validation is in test too: 003",
                            path + ": 1 of 4 documents are in no split and left out: 002"}));
  const auto fails = [&](const std::string& content, const std::string& message) {
    write("s.json", content);
    EXPECT_ERROR(divide_by_file(documents, path, notices), path + message);
  };
  fails(R"({"train": [1, 4]})", ": \"train\" has the id 4, which no document has");
  fails(R"({"train": ["1"]})", ": \"train\" has the id \"1\", which no document has");
  fails(R"({"train": [1, "001"]})", ": \"train\" has the id \"001\" twice");
  fails(R"({"train": [1.5]})", ": an id of \"train\" is 1.5, needed a text or a whole number");
  fails(R"({"train": 1})", ": \"train\" is a JSON number, needed a list of ids");
  fails(R"({"train": []})", ": \"train\" is empty");
  fails(R"({"test": [1]})", ": no \"train\"");
  fails(R"({"train": [1], "tset": [2]})", ": a split \"tset\"");
  fails(R"({"train": [1], "dev": [2], "validation": [2]})", ": has both \"dev\" and \"validation\"");
  fails(R"([1])", ": a JSON array");
  fails(R"({"train": [1)", ":1:13: not valid JSON");
}

TEST_F(ClassificationTest, LeaksAreFoundByTheirText) {
  DocumentSplits splits = {
      .train = {document("a", "same  words\n", "x"), document("b", "other", "y"),
                document("c", "other ", "x")},
      .validation = {document("d", "words", "x"), document("a", "same words", "x")},
      .test = {document("e", "Other", "x"), document("f", "words", "y"), document("g", "other", "y")}};
  EXPECT_EQ(
      find_leaks(splits),
      (Names{"1 of 3 documents of train are in validation too, by their text: a",
             "2 of 3 documents of train are in test too, by their text: b = g, c = g",
             "1 of 2 documents of validation are in test too, by their text: d = f",
             "1 of 3 documents of train repeat an earlier one's text, 1 of them with another label: b = c"}));
  const DocumentSplits alike = {.train = {document("a", "one", "x"), document("b", "one", "x")}};
  EXPECT_EQ(find_leaks(alike), Names{"1 of 2 documents of train repeat an earlier one's text: a = b"});
  splits.train.push_back(document("h", "only here", "x"));
  EXPECT_EQ(drop_leaks(splits),
            (Names{"1 document of validation that another split has too was taken out; 1 are left",
                   "3 documents of train that another split has too were taken out; 1 are left"}));
  EXPECT_EQ(ids_of(splits.train), Names{"h"});
  EXPECT_EQ(ids_of(splits.validation), Names{"a"});
  EXPECT_TRUE(find_leaks(splits).empty());
  splits.train = {document("i", "words", "x")};
  EXPECT_ERROR(drop_leaks(splits), "all 1 documents of train are in another split too");
}

TEST_F(ClassificationTest, EntryReadsCutsAndChecks) {
  const Documents documents = many(40);
  ClassificationSource source = {
      .train = {csv("a.csv", documents), csv("b.csv", {document("x", "y", "few")})},
      .validation_share = 0.2,
      .test_share = 0.1,
      .seed = 3};
  const ClassificationData data = read_classification(source);
  EXPECT_EQ(data.labels, (Names{"few", "many"}));
  EXPECT_EQ(data.test.size(), 4u);
  EXPECT_EQ(data.validation.size(), 8u);
  EXPECT_EQ(data.train.size(), 29u);
  EXPECT_EQ(data.notices, (Names{"4 documents were cut from training for test (share 0.1, seed 3)",
                                 "8 documents were cut from training for validation (share 0.2, seed 3)"}));
  EXPECT_EQ(class_of(documents[1], data.labels), 1);
  source.test = {csv("t.csv", {document("1", "new", "most")})};
  EXPECT_ERROR(read_classification(source),
               "t.csv:2: document \"1\" has the unknown label \"most\", needed \"few\", \"many\"");
  source.labels = {"most", "many", "few", "none"};
  EXPECT_EQ(read_classification(source).labels, source.labels) << "in the order given";
  EXPECT_EQ(read_classification(source).notices.back(), "no document to train on has the label \"none\"");
  source.train.push_back(csv("c.csv", {document("x", "z", "few")}));
  EXPECT_ERROR(read_classification(source),
               "c.csv:2: the id \"x\" is given twice; " + (folder_ / "b.csv") + ":2");
}

TEST_F(ClassificationTest, LabelsAreSortedNumbersByTheirValue) {
  const auto labels = [&](const Names& given) {
    Documents documents;
    for (const std::string& label : given)
      documents.push_back(
          document(std::to_string(documents.size()), "t" + std::to_string(documents.size()), label));
    return read_classification({.train = {csv("l.csv", documents)}}).labels;
  };
  EXPECT_EQ(labels({"10", "2", "-1", "2"}), (Names{"-1", "2", "10"}));
  EXPECT_EQ(labels({"10", "b", "2"}), (Names{"10", "2", "b"}));
  EXPECT_ERROR(labels({"a", "a"}),
               "all 2 documents to train on have the label \"a\"; a classifier needs at least two");
}

TEST_F(ClassificationTest, LabelsThatMayBeOneAreNoticed) {
  const auto notices = [&](const Names& labels) {
    Documents documents;
    for (const std::string& label : labels)
      documents.push_back(document(label, "text " + std::to_string(documents.size()), label));
    return read_classification({.train = {csv("l.csv", documents)}}).notices;
  };
  for (const Names& labels :
       {Names{"pos", "pos "}, Names{"Pos", "pos"}, Names{"1", "1.0"}, Names{" 0", "0"}}) {
    ASSERT_EQ(notices(labels).size(), 1u) << labels[0] << labels[1];
    EXPECT_EQ(notices(labels)[0].find("two classes that may be one: "), 0u) << notices(labels)[0];
  }
  EXPECT_EQ(notices({"pos", "post", "1", "10", "1.5", "a b", "ab"}).size(), 0u);
}

TEST_F(ClassificationTest, LeaksAreDroppedWhenAsked) {
  ClassificationSource source = {
      .train = {csv("a.csv", {document("1", "a", "x"), document("2", "b", "y"), document("3", "c", "x")})},
      .test = {csv("t.csv", {document("1", "a", "x")})}};
  EXPECT_EQ(read_classification(source).train.size(), 3u);
  EXPECT_EQ(read_classification(source).notices.size(), 1u);
  source.leaks = Leaks::drop;
  EXPECT_EQ(ids_of(read_classification(source).train), (Names{"2", "3"}));
  EXPECT_EQ(read_classification(source).notices.size(), 2u);
}

TEST_F(ClassificationTest, SourcesThatContradictThemselvesAreRefused) {
  const auto fails = [](const ClassificationSource& source, const std::string& message) {
    EXPECT_ERROR(read_classification(source), "classification data: " + message);
  };
  using enum ClassificationCorpus;
  fails({}, "no file to train on");
  fails({.train = {"a.csv"}, .path = "b"}, "a path belongs to IMDB");
  fails({.corpus = imdb}, "no path of the published files");
  fails({.corpus = imdb, .train = {"a.csv"}, .path = "b"}, "files of splits belong to records");
  fails({.corpus = imdb, .path = "b", .ground_truth = "c"}, "a ground truth belongs to Hyperpartisan");
  fails({.corpus = imdb, .path = "b", .split_file = "c"}, "a split file divides");
  fails({.train = {"a.csv"}, .test = {"b.csv"}, .split_file = "c"}, "a split file divides");
  fails({.train = {"a.csv"}, .validation_share = 0.5, .test_share = 0.5}, "shares must be");
  fails({.train = {"a.csv"}, .labels = {"a", "b", "a"}}, "a label is named twice");
}

}  // namespace
}  // namespace lf
