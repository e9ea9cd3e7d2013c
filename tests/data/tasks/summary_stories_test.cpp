// Stories of CNN/DailyMail: folders, archives and lists of URLs, small ones made here, and the real sample.
#include "data/tasks/summary_stories.h"

#include "tests/data/tasks/summary_input.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

std::string sha1_of(const std::string& url) {
  return digest(Digest::kSha1, {reinterpret_cast<const uint8_t*>(url.data()), url.size()});
}

const std::string kA = "http://a.b/1", kB = "http://a.b/2";
const std::string kStory =
    "First paragraph\n\n\xC2\xA0 It said: \"yes.\"\n\n@highlight\n\nA point\n\n@highlight\n\nAnother!\n";

class SummaryStories : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    write_text(folder_ / name, content);
    return folder_ / name;
  }
  SummaryPair read_one(const std::string& content) { return read_quietly(write("one.story", content)).at(0); }
  void fails(const std::string& content, const std::string& message, const SummaryOptions& options = {}) {
    EXPECT_ERROR(read_quietly(write("one.story", content), options), (folder_ / "one.story") + message);
  }
  const TemporaryFolder folder_;
};

TEST_F(SummaryStories, AreJoinedAsThePublishedCodeDoes) {
  EXPECT_EQ(read_one(kStory), (SummaryPair{.id = "one",
                                           .source = "First paragraph . It said: \"yes.\"",
                                           .target = "A point .\nAnother!",
                                           .where = folder_ / "one.story",
                                           .has_target = true}));
  std::string windows = "\xEF\xBB\xBF";
  for (const char letter : kStory) windows += letter == '\n' ? std::string("\r\n") : std::string(1, letter);
  EXPECT_EQ(read_one(windows), read_one(kStory));
  const auto ended = [&](const std::string& line) { return read_one(line + "\n@highlight\nx").source; };
  for (const char* end : {".", "!", "?", "'", "`", "\"", ")", "\xE2\x80\x99", "\xE2\x80\x9D"})
    EXPECT_EQ(ended(std::string("a line") + end), std::string("a line") + end);
  EXPECT_EQ(ended("a line,"), "a line, .");
  EXPECT_EQ(ended("a line\xE2\x80\x9C"), "a line\xE2\x80\x9C .");
  EXPECT_EQ(ended("\x1C\xE3\x80\x80"
                  "a \x1F"),
            "a .")
      << "white space as Python has it";
  EXPECT_EQ(ended("see @highlight"), "see @highlight") << "as published, without an end";
  EXPECT_EQ(read_one("a longer line\n@highlight\n@highlight\nb\n\nc\n").target, "b .\nc .");
}

TEST_F(SummaryStories, OfFoldersAndArchivesAreTheSame) {
  const Members stories = {{"cnn/stories/b.story", kStory},
                           {"dailymail/stories/a.story", kStory},
                           {"cnn/stories/c.story", kStory}};
  for (const auto& [name, content] : stories) write("all/" + name, content);
  const SummaryPairs folder = read_quietly(folder_ / "all");
  EXPECT_EQ(ids_of(folder), (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_EQ(folder[0].where, folder_ / "all/cnn/stories/b.story");
  for (const char* name : {"all.zip", "all.tar.gz", "all.tgz"}) {
    write_archive(folder_ / name, stories);
    SummaryPairs archive = read_quietly(folder_ / name);
    EXPECT_EQ(archive.at(0).where, (folder_ / name) + ": cnn/stories/b.story");
    for (size_t i = 0; i < archive.size(); ++i) archive[i].where = folder.at(i).where;
    EXPECT_EQ(archive, folder) << name;
  }
  write_text(folder_ / "x.story.gz", gzipped(kStory));
  EXPECT_EQ(read_quietly(folder_ / "x.story.gz").at(0).id, "x");
}

TEST_F(SummaryStories, AListOfUrlsChooses) {
  for (const std::string& url : {kA, kB}) write("stories/" + sha1_of(url) + ".story", kStory);
  const std::string stories = folder_ / "stories", list = write("list.txt", kB + " \r\n\n");
  EXPECT_EQ(ids_of(read_quietly(stories, {.url_list = list})), std::vector<std::string>{sha1_of(kB)});
  const std::string archive = folder_ / "cnn_stories.tgz";
  write_archive(archive,
                {{"x/" + sha1_of(kA) + ".story", "broken"}, {"x/" + sha1_of(kB) + ".story", kStory}});
  EXPECT_EQ(ids_of(read_quietly(archive, {.url_list = list})), std::vector<std::string>{sha1_of(kB)});
  write("list.txt", kB + "\n" + kA + "\n" + kB + "\n");
  EXPECT_EQ(warnings_of(stories, {.url_list = list}),
            std::vector<std::string>{list + ": 1 URLs stand there twice: line 3"});
  write("list.txt", "http://x/1\n" + kB + "\nhttp://x/2\n");
  EXPECT_ERROR(read_quietly(stories, {.url_list = list}),
               list + ": 2 of 3 stories are not in " + stories + ": line 1 (" + sha1_of("http://x/1") +
                   ".story), line 3 (" + sha1_of("http://x/2") + ".story)");
  std::string many;
  for (int i = 0; i < 7; ++i) many += "http://x/" + std::to_string(i) + "\n";
  write("list.txt", many);
  EXPECT_ERROR(read_quietly(stories, {.url_list = list}), ": 7 of 7 stories are not in ");
  EXPECT_ERROR(read_quietly(stories, {.url_list = list}),
               "line 5 (" + sha1_of("http://x/4") + ".story), ...");
  write("list.txt", " \n");
  EXPECT_ERROR(read_quietly(stories, {.url_list = list}), list + ": no URL in it");
  write("list.txt", kB + "\n\xFF\n");
  EXPECT_ERROR(read_quietly(stories, {.url_list = list}), list + ":2: not valid UTF-8, needed a URL");
}

TEST_F(SummaryStories, FaultsNameTheFile) {
  fails("text\n", ": no @highlight, needed a story with its summary in blocks behind it");
  fails("\n@highlight\nx\n", ": \"one\" has an empty source");
  fails("text\n@highlight\n", ": \"one\" has an empty target");
  fails("text\nmore \xFF\n@highlight\nx\n", ":2: not valid UTF-8");
  fails(std::string("a\0b", 3), ": binary data");
  write("cnn/a.story", kStory);
  write("dailymail/a.story", kStory);
  fs::remove(folder_ / "one.story");
  EXPECT_ERROR(read_quietly(folder_.path()), "dailymail/a.story: the id \"a\" is given twice; ");
  fs::create_directories(folder_ / "none");
  EXPECT_ERROR(read_quietly(folder_ / "none"), "none: a folder without stories: no .story file is in it");
  write_archive(folder_ / "bad.zip", {{"x/a.story", "text"}});
  EXPECT_ERROR(read_quietly(folder_ / "bad.zip"), "bad.zip: x/a.story: no @highlight");
  const SummaryPair source_only =
      read_quietly(write("source.story", "text.\n"), {.targets = Targets::kOptional}).at(0);
  EXPECT_EQ(source_only.source, "text.");
  EXPECT_FALSE(source_only.has_target);
}

TEST_F(SummaryStories, WhatIsOddIsSaid) {
  const std::string stories = folder_ / "stories";
  write("stories/a.story", kStory);
  write("stories/b.story", "first line and\n@highlight behind\nsecond\n");
  write("stories/readme.md", "read me");
  write("stories/.b.story", "hidden");
  EXPECT_EQ(warnings_of(stories),
            (std::vector<std::string>{
                stories + ": 2 files are no stories and were left out: .b.story (hidden), readme.md",
                stories + ": 1 stories have text in a line behind @highlight, which is left out: b"}));
  write_archive(folder_ / "a.zip", {{"a.story", kStory}, {"urls.txt", kA}});
  EXPECT_EQ(
      warnings_of(folder_ / "a.zip"),
      std::vector<std::string>{(folder_ / "a.zip") + ": 1 files are no stories and were left out: urls.txt"});
  fs::remove(stories + "/readme.md");
  fs::remove(stories + "/.b.story");
  write("stories/b.story", "@highlight\nwithout article\n");
  EXPECT_EQ(warnings_of(stories, {.empty = EmptyPairs::kLeaveOut}),
            std::vector<std::string>{stories +
                                     ": 1 of 2 pairs have an empty source or target and were left out: b"});
}

// Digests of what the steps of Hugging Face's cnn_dailymail 3.0.0 give in Python.
TEST(SummaryStoriesReal, TheSampleIsThatOfTheDataSet) {
  REQUIRE_SHARED(folder, "data/cnn_dailymail");
  const std::string stories = folder + "/cnn_stories";
  const SummaryPairs all = read_quietly(stories);
  ASSERT_EQ(all.size(), 20u);
  EXPECT_EQ(all.front().id, "017d27d00eb43678c15cb4a8dd4723a035323219");
  EXPECT_EQ(all.back().id, "f001ec5c4704938247d27a44948eebb37ae98d01");
  EXPECT_EQ(all.front().source.substr(0, 40), "WASHINGTON (CNN) -- As he awaits a cruci");
  EXPECT_EQ(all.front().target.substr(0, 72),
            "President Bush to address the Veterans of Foreign Wars on Wednesday .\nBu");
  EXPECT_EQ(sha256_of(all), "6c700c37a66584c76a08c98f37442881d4349af223ef89347077f74d68498f30");
  const auto split = [&](const char* name) {
    return read_quietly(stories, {.url_list = folder + "/url_lists/" + name});
  };
  EXPECT_EQ(split("all_train.txt").size(), 10u);
  EXPECT_EQ(sha256_of(split("all_train.txt")),
            "b1f8071dab84647c5d62d73ff350bbf01ca2dd7e123cf2f5b7472d3c595ca1ed");
  EXPECT_EQ(sha256_of(split("all_val.txt")),
            "214139673eb083a908f92f95a5c31a49f4775ad84841d468b477af6cf14e3beb");
}

}  // namespace
}  // namespace lf
