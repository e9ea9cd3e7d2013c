// Whatever a file holds, its reader gives sound pairs or an Error that names the file.
#include "core/escaped.h"
#include "core/files.h"
#include "data/archive.h"
#include "tests/data/tasks/summary_input.h"
#include "tests/fuzz.h"

namespace lf {
namespace {

void expect_pairs_or_error(const std::string& path, const std::string& content,
                           const SummaryOptions& options) {
  write_text(path, content);
  std::vector<std::string> warnings;
  try {
    for (const SummaryPair& pair : read_summaries(path, options, warnings)) {
      EXPECT_TRUE(is_utf8(pair.source) && is_utf8(pair.target)) << escaped(content);
      EXPECT_NE(pair.source.find_first_not_of(" \t\r\n\f\v"), std::string::npos) << escaped(content);
      EXPECT_EQ(pair.has_target, !pair.target.empty()) << escaped(content);
      EXPECT_TRUE(pair.has_target || options.targets == Targets::kOptional) << escaped(content);
    }
  } catch (const Error& error) {
    // Names of an archive's members are shown as they are.
    if (!is_archive_name(path)) return expect_clean_message(error.what(), path);
    EXPECT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
  }
}

void fuzz_summaries(const std::string& name, const std::string& content,
                    const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  ByteMutator mutator(content, words, 0, content.size(), 21);
  for (FuzzRounds rounds(400); rounds.more();) {
    const Targets targets = rounds.done() % 2 ? Targets::kRequired : Targets::kOptional;
    expect_pairs_or_error(folder / name, mutator.next(), {.targets = targets});
  }
}

TEST(SummariesFuzz, JsonLines) {
  const std::vector<std::string> words = {"\"source\"", "\"text\"", "\"summary\"", "null", "[",  "]", "{",
                                          "}",          "\\ud800",  "NaN",         "\n",   "\"", ",", "<S>"};
  fuzz_summaries(
      "a.jsonl",
      "{\"id\": \"a\", \"source\": \"some text\", \"target\": \"short\"}\n{\"source\": \"\xC3\xA9t\xC3\xA9 "
      "here\", \"target\": \"t\"}\n",
      words);
  fuzz_summaries(
      "a.txt",
      "{\"article_id\": \"a\", \"article_text\": [\"one .\", \"two .\"], \"abstract_text\": [\"<S> a . "
      "</S>\"], \"labels\": null}\n",
      words);
}

TEST(SummariesFuzz, Tables) {
  const std::vector<std::string> words = {"\"", "\"\"", ",", "\t", "\r\n", "\n", "source", "summary", "\r"};
  fuzz_summaries("a.csv", "id,text,summary\r\n1,\"some \"\"text\"\"\n\",x\r\n2,\xC3\xA9 plain,y\n", words);
  fuzz_summaries("a.tsv", "id\tarticle\thighlights\n1\tsome \"text\tx\n2\tplain\ty\n", words);
}

TEST(SummariesFuzz, Stories) {
  fuzz_summaries("a.story",
                 "First \xE2\x80\x9Cparagraph\xE2\x80\x9D\n\n\xC2\xA0more text\r\n\n@highlight\n\nA point\n\n"
                 "@highlight\n\nAnother\n",
                 {"@highlight", "\n", "\r", "\xC2\xA0", "\xE3\x80\x80", "\xEF\xBB\xBF", "\x1C", ".", " "});
  const TemporaryFolder folder;
  write_archive(folder / "a.zip", {{"x/a.story", "some text\n@highlight\nshort\n"}});
  write_archive(folder / "a.tar.gz", {{"x/a.story", "some text\n@highlight\nshort\n"}});
  for (const char* name : {"a.zip", "a.tar.gz"})
    fuzz_summaries(name, read_file(folder / name), {"PK", "\x1F\x8B", ".story"});
}

TEST(SummariesFuzz, ListsOfUrls) {
  const TemporaryFolder folder;
  const std::string url = "http://a.b/1", list = folder / "list.txt";
  write_text(folder / "stories/" +
                 digest(Digest::kSha1, {reinterpret_cast<const uint8_t*>(url.data()), url.size()}) + ".story",
             "some text\n@highlight\nshort\n");
  ByteMutator mutator(url + "\n", {"\n", "\r\n", " ", "\xC2\xA0", url}, 0, url.size(), 22);
  for (FuzzRounds rounds(200); rounds.more();) {
    write_text(list, mutator.next());
    std::vector<std::string> warnings;
    try {
      EXPECT_EQ(read_summaries(folder / "stories", {.url_list = list}, warnings).size(), 1u);
    } catch (const Error& error) {
      expect_clean_message(error.what(), list);
    }
  }
}

}  // namespace
}  // namespace lf
