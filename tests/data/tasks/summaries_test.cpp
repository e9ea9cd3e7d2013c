// Records of texts and summaries: every layout, whole and broken; every message has its file and line.
#include "data/tasks/summaries.h"

#include "tests/data/tasks/summary_input.h"

namespace lf {
namespace {

const SummaryOptions kForPrediction = {.targets = Targets::kOptional};
const std::string kSix = "six words that are a text";

class Summaries : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    write_text(folder_ / name, content);
    return folder_ / name;
  }
  SummaryPairs read(const std::string& name, const std::string& content, const SummaryOptions& options = {}) {
    return read_quietly(write(name, content), options);
  }
  void fails(const std::string& name, const std::string& content, const std::string& message,
             const SummaryOptions& options = {}) {
    EXPECT_ERROR(read(name, content, options), (folder_ / name) + message);
  }
  SummaryPair pair(const std::string& id, const std::string& source, const std::string& target,
                   const std::string& place) {
    return {.id = id, .source = source, .target = target, .where = folder_ / place, .has_target = true};
  }
  const TemporaryFolder folder_;
};

TEST_F(Summaries, OfJsonInEveryLayout) {
  EXPECT_EQ(
      read("a.jsonl",
           "{\"id\": \"x\", \"source\": \"a text\", \"target\": \"t\", \"more\": [NaN]}\n\n"
           "{\"id\": 7, \"target\": \"u\\n\", \"source\": \" more \"}\r\n{\"source\": \"abc\", \"target\": "
           "\"v\"}"),
      (SummaryPairs{pair("x", "a text", "t", "a.jsonl:1"), pair("7", " more ", "u\n", "a.jsonl:3"),
                    pair("4", "abc", "v", "a.jsonl:4")}));
  const SummaryPairs expected = {pair("1", "a text", "t", "b.jsonl:1")};
  EXPECT_EQ(read("b.jsonl", R"({"document": "a text", "summary": "t", "source": "BBC"})"), expected);
  EXPECT_EQ(read("b.jsonl", R"({"article": "a text", "abstract": "t"})"), expected);
  EXPECT_EQ(read("b.jsonl", R"({"article": "a text", "highlights": "t"})"), expected);
  EXPECT_EQ(read("b.jsonl", R"({"text": "a text", "summary": "t"})"), expected);
  EXPECT_EQ(read("b.jsonl", R"({"bill": "a text", "title": "t", "text": "x", "summary": "x"})",
                 {.keys = {.source = "bill", .target = "title"}}),
            expected);
  EXPECT_EQ(read("c.jsonl", R"({"key": "k", "text": "a text", "summary": "t"})", {.keys = {.id = "key"}}),
            (SummaryPairs{pair("k", "a text", "t", "c.jsonl:1")}));
}

TEST_F(Summaries, OfTables) {
  const std::string csv = "id,article,highlights\nx,\"a, text\",t\n\ny,\"two\nlines\",u\n";
  EXPECT_EQ(read("a.csv", csv),
            (SummaryPairs{pair("x", "a, text", "t", "a.csv:2"), pair("y", "two\nlines", "u", "a.csv:4")}));
  EXPECT_EQ(read("a.tsv", "summary\ttext\nt\ta \"text\"\n"),
            (SummaryPairs{pair("2", "a \"text\"", "t", "a.tsv:2")}));
  EXPECT_EQ(read("b.tsv", "summary\ttext\n\"a \"\"t\"\"\"\t\"first one\"\n").at(0).target, "a \"t\"")
      << "as writers of CSV have it";
  write_text(folder_ / "a.csv.gz", gzipped(csv));
  write_archive(folder_ / "a.zip", {{"folder/a.csv", csv}});
  write_archive(folder_ / "a.csv.tar.gz", {{"a.csv", csv}});
  for (const char* name : {"a.csv.gz", "a.zip", "a.csv.tar.gz"})
    EXPECT_EQ(read_quietly(folder_ / name).at(1).source, "two\nlines") << name;
}

const std::string kPaper =
    R"({"article_id": "0708.1996", "article_text": ["one .", "two ."], "abstract_text": )"
    R"(["<S> a . </S>", "<S> b . </S>"], "labels": null, "section_names": ["i"], "sections": [["one ."]]})";

// Blanks of the marks stay, as in the data set of Hugging Face.
TEST_F(Summaries, OfPapers) {
  const SummaryPairs expected = {pair("0708.1996", "one .\ntwo .", " a . \n b . ", "train.txt:1")};
  EXPECT_EQ(read("train.txt", kPaper + "\n"), expected);
  write_text(folder_ / "train.txt.gz", gzipped(kPaper));
  EXPECT_EQ(read_quietly(folder_ / "train.txt.gz").at(0).target, " a . \n b . ");
  EXPECT_EQ(
      read("a.jsonl", R"({"article_id": "a", "article_text": ["s"], "abstract_text": []})", kForPrediction),
      (SummaryPairs{{.id = "a", .source = "s", .target = "", .where = folder_ / "a.jsonl:1"}}));
  fails("a.txt", with(kPaper, "\"article_id\": \"0708.1996\"", "\"id\": 1"),
        ":1: no article_id, needed a text or a whole number");
  fails("a.txt", with(kPaper, "[\"one .\", \"two .\"]", "\"one\""),
        ":1: \"article_text\" is a JSON string, needed a list of sentences");
  fails("a.txt", with(kPaper, "\"two .\"]", "2]"),
        ":1: entry 2 of \"article_text\" is a JSON number, needed a sentence");
  fails("a.txt", with(kPaper, "abstract_text", "abstract"),
        ":1: no \"abstract_text\", needed it beside \"article_text\"");
  fails("a.txt", with(kPaper, "[\"one .\", \"two .\"]", "[]"), ":1: \"0708.1996\" has an empty source");
  fails("a.txt", with(kPaper, "a . </S>\", \"<S> b . <", " </S>\", \"<S> <"),
        ":1: \"0708.1996\" has an empty target");
  fails("a.txt", "\nplain text\n", ":2: a text, needed JSON lines, as which a .txt of summaries is read");
}

TEST_F(Summaries, TargetsMayBeMissingForPrediction) {
  const SummaryPairs found = read("a.jsonl",
                                  R"({"text": "one"})"
                                  "\n"
                                  R"({"text": "two", "summary": "t"})"
                                  "\n"
                                  R"({"text": "three", "summary": null})"
                                  "\n"
                                  R"({"text": "four", "summary": " "})",
                                  kForPrediction);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[1], pair("2", "two", "t", "a.jsonl:2"));
  for (const size_t i : {size_t{0}, size_t{2}, size_t{3}}) {
    EXPECT_FALSE(found[i].has_target) << i;
    EXPECT_EQ(found[i].target, "") << i;
  }
  EXPECT_FALSE(read("a.csv", "text,label\none,x\n", kForPrediction).at(0).has_target);
  fails("b.jsonl", R"({"text": " "})", ":1: \"1\" has an empty source", kForPrediction);
}

TEST_F(Summaries, BrokenJsonIsNamed) {
  const std::string good = "{\"source\": \"good one\", \"target\": \"x\"}\n";
  const auto line_two = [&](const std::string& line, const std::string& message) {
    fails("a.jsonl", good + line + "\n" + good, ":2" + message);
  };
  line_two("{\"source\": \"cut", ":16: not valid JSON");
  line_two("{\"source\": \"\xFF\"}", ":13: not valid JSON");
  line_two("[]", ": a JSON array, needed a record of a text and its summary");
  line_two("{\"target\": \"x\"}",
           ": no \"source\"; there is \"target\", needed \"source\" and \"target\" in every record");
  line_two("{}", ": no \"source\"; there is none, needed \"source\" and \"target\" in every record");
  line_two("{\"source\": \"x\"}", ": no \"target\", needed it beside \"source\"");
  line_two("{\"source\": 3, \"target\": \"x\"}", ": \"source\" is a JSON number, needed a text");
  line_two("{\"source\": \"a\", \"target\": null}", ": \"target\" is a JSON null, needed a text");
  line_two("{\"source\": \" \\n\", \"target\": \"x\"}", ": \"2\" has an empty source");
  line_two("{\"source\": \"a\", \"target\": \"\"}", ": \"2\" has an empty target");
  line_two("{\"id\": \"1\", \"source\": \"aa\", \"target\": \"x\"}",
           ": the id \"1\" is given twice; " + (folder_ / "a.jsonl:1") + " has it too");
  line_two("{\"id\": 0.5, \"source\": \"a\", \"target\": \"x\"}",
           ": id must be a text or a whole number, not number");
  fails("empty.jsonl", "\n", ": no records");
}

TEST_F(Summaries, UnknownLayoutsAreNamed) {
  fails("a.jsonl", R"({"body": "a", "title": "b"})",
        ":1: no known names of source and target; there is \"body\", \"title\", needed \"source\" and "
        "\"target\", \"document\" and \"summary\", \"article\" and \"abstract\" or \"highlights\", \"text\" "
        "and "
        "\"summary\", \"article_text\" and \"abstract_text\"");
  fails("a.csv", "body,title\na,b\n",
        ":1: no known names of source and target; there is \"body\", \"title\"");
  fails("a.jsonl", R"({"document": "a", "text": "b", "summary": "c"})",
        ":1: names of several layouts, \"document\" and \"summary\", \"text\" and \"summary\"; the keys of "
        "source and target must be given");
  fails("a.jsonl", R"({"article": "a", "abstract": "b", "highlights": "c"})",
        ":1: both \"abstract\" and \"highlights\"; the keys of source and target must be given");
  fails("a.csv", "text,words\na,b\n", ":1: no \"summary\", needed the column beside \"text\"");
  fails("a.csv", "text,summary,text\na,b,c\n", ":1: two columns are called \"text\"");
  fails("a.csv", "text,summary\na,b\nc\n", ":3: 1 fields, needed 2 as the header has");
  fails("a.csv", "text,summary\na,\xFF\n", ":2: not valid UTF-8");
  fails("a.csv", "text,summary\na,b\n", ":1: no column \"bill\"; there is \"text\", \"summary\"",
        {.keys = {.source = "bill", .target = "title"}});
  fails("a.json", "{}", ": not a name of texts and summaries, needed .jsonl, .txt");
  EXPECT_ERROR(read_quietly(folder_ / "none.jsonl"), "none.jsonl does not exist");
}

TEST_F(Summaries, OptionsThatContradictEachOtherAreRefused) {
  const auto refused = [&](const SummaryOptions& options, const std::string& message) {
    EXPECT_ERROR(read("a.jsonl", "{}", options), "summaries: " + message);
  };
  refused({.url_list = "list.txt"}, "a list of URLs belongs to stories");
  refused({.keys = {.source = "text"}},
          "the key of sources is named (source_key), that of targets is not (target_key)");
  refused({.keys = {.target = "text"}}, "the target's key is named, the source's is not");
  EXPECT_EQ(read("a.jsonl", R"({"bill": "a", "text": "b"})",
                 {.keys = {.source = "bill"}, .targets = Targets::kOptional})
                .at(0)
                .source,
            "a");
}

TEST_F(Summaries, WhatIsOddIsSaid) {
  const auto record = [](const std::string& source, const std::string& target) {
    return R"({"source": ")" + source + R"(", "target": ")" + target + "\"}\n";
  };
  const std::string path = write("a.jsonl", record("", "a") + record(kSix, "b") + record("c", " ") +
                                                record("d", "dd") + record("\xC3\xA9", kSix));
  std::vector<std::string> warnings;
  const SummaryPairs left = read_summaries(path, {.empty = EmptyPairs::kLeaveOut}, warnings);
  EXPECT_EQ(ids_of(left), (std::vector<std::string>{"2", "4", "5"}));
  EXPECT_EQ(warnings, (std::vector<std::string>{
                          path + ": 2 of 5 pairs have an empty source or target and were left out: 1, 3",
                          path + ": 2 of 3 targets are longer than their sources: 4, 5"}));
  write("b.jsonl", record("", "a"));
  EXPECT_ERROR(read_quietly(folder_ / "b.jsonl", {.empty = EmptyPairs::kLeaveOut}),
               ": all 1 pairs have an empty source or target");
}

// Ids, first characters, and digests of what Hugging Face's steps give in Python.
TEST(SummariesReal, PapersAreThoseOfTheDataSet) {
  REQUIRE_SHARED(data, "data");
  struct Expected {
    const char *file, *first, *second, *source, *target, *sha256;
  };
  for (const Expected& expected :
       {Expected{"arxiv-summarization/train.txt", "1405.3379", "0901.1147", "additive models @xcite provide",
                 " additive models play an impor",
                 "22ac5ac46210924fa73f7d228bd5189fe518c1c3711376b5e18da100fadcbddd"},
        Expected{"arxiv-summarization/val.txt", "0708.1996", "0709.1158", "the interest in anchoring phen",
                 " we study the phase behavior o",
                 "72c363330edb8796ef5163d916a1d776e7441951a8a984e90f6f8062e02e9f84"},
        Expected{"arxiv-summarization/test.txt", "1009.3123", "1512.09139", "for about 20 years the problem",
                 " the short - term periodicitie",
                 "f8b9b9fe31746fa7125c0acd19a258bbbd44329f14f2d90b6ce1653a64e2b22f"},
        Expected{"pubmed-summarization/train.txt", "PMC3872579", "PMC3770628",
                 "a recent systematic analysis s", " background : the present stud",
                 "bcccf1fff20673440d79b9f6c56490c6c51f59ea37a4bc76789a540e5283e317"},
        Expected{"pubmed-summarization/val.txt", "PMC4810892", "PMC4852153", "approximately , one - third of",
                 " background and aim : there is",
                 "0b6b8f90eb01cb8dcc73a3c223cd3feb428906dcab090e7c87bafeb37a732a63"},
        Expected{"pubmed-summarization/test.txt", "PMC5075302", "PMC3309138",
                 "anxiety affects quality of lif", " research on the implications ",
                 "612d915a423730e6a64c385a41857c8e5fb39c6be21f66af323247de4b17d466"}}) {
    const SummaryPairs found = read_quietly(data + "/" + expected.file);
    ASSERT_EQ(ids_of(found), (std::vector<std::string>{expected.first, expected.second})) << expected.file;
    EXPECT_EQ(found[0].source.substr(0, 30), expected.source);
    EXPECT_EQ(found[0].target.substr(0, 30), expected.target);
    EXPECT_EQ(sha256_of(found), expected.sha256) << expected.file;
  }
}

}  // namespace
}  // namespace lf
