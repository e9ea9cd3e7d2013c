// IMDB and Hyperpartisan in their official forms: small ones made here, and the real files where they are.
#include "core/files.h"
#include "core/hash.h"
#include "data/tasks/article_cleaning.h"
#include "data/tasks/classification_imdb.h"
#include "tests/data/archive_input.h"
#include "tests/data/tasks/classification_input.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

const Members kReviews = {{"train/neg/0_1.txt", "bad"},     {"train/neg/10_4.txt", "worse<br />"},
                          {"train/pos/0_10.txt", "good"},   {"test/neg/0_2.txt", "boring"},
                          {"test/pos/3_7.txt", "nice"},     {"train/unsup/0_0.txt", "who knows"},
                          {"train/labeledBow.feat", "1"},   {"README", "read me"},
                          {"train/urls_pos.txt", "nowhere"}};

class Imdb : public testing::Test {
 protected:
  // The reviews as a folder and as a tar.gz; a changed one, or none for an empty name.
  void write(const Members& members) {
    fs::remove_all(folder_ / "aclImdb");
    Members in_archive;
    for (const auto& [name, content] : members) {
      write_text(folder_ / "aclImdb/" + name, content);
      in_archive.emplace_back("aclImdb/" + name, content);
    }
    write_archive(folder_ / "aclImdb_v1.tar.gz", in_archive);
  }
  void fails(const std::string& name, const std::string& content, const std::string& message) {
    Members members = kReviews;
    members.emplace_back(name, content);
    write(members);
    EXPECT_ERROR(read_imdb(folder_ / "aclImdb"), name + message);
    EXPECT_ERROR(read_imdb(folder_ / "aclImdb_v1.tar.gz"), name + message);
  }
  const TemporaryFolder folder_;
};

TEST_F(Imdb, FoldersAndArchiveGiveTheSame) {
  write(kReviews);
  const DocumentSplits folders = read_imdb(folder_ / "aclImdb");
  EXPECT_EQ(ids_of(folders.train),
            (std::vector<std::string>{"train/neg/0_1", "train/neg/10_4", "train/pos/0_10"}));
  EXPECT_EQ(ids_of(folders.test), (std::vector<std::string>{"test/neg/0_2", "test/pos/3_7"}));
  EXPECT_EQ(folders.train[1].text, "worse<br />");
  EXPECT_EQ(folders.train[1].label, "neg");
  EXPECT_EQ(folders.train[1].where, folder_ / "aclImdb/train/neg/10_4.txt");
  EXPECT_EQ(ids_of(read_imdb(folder_.path()).test), ids_of(folders.test)) << "the folder above";
  DocumentSplits archive = read_imdb(folder_ / "aclImdb_v1.tar.gz");
  EXPECT_EQ(archive.train[1].where, (folder_ / "aclImdb_v1.tar.gz") + ": aclImdb/train/neg/10_4.txt");
  for (size_t i = 0; i < archive.train.size(); ++i) archive.train[i].where = folders.train[i].where;
  EXPECT_EQ(archive.train, folders.train);
}

TEST_F(Imdb, FaultsNameTheFile) {
  fails("train/pos/5_3.txt", "good", ": a rating of 3 among the pos reviews, needed 7 to 10");
  fails("test/neg/5_7.txt", "bad", ": a rating of 7 among the neg reviews, needed 1 to 4");
  fails("test/neg/5.txt", "bad", ": needed a review ID_RATING.txt");
  fails("test/neg/5_11.txt", "bad", ": needed a review ID_RATING.txt");
  fails("test/neg/5_1.txt~", "bad", ": needed a review ID_RATING.txt");
  fails("train/neg/5_1.txt", " \n", ": document \"train/neg/5_1\" has no text");
  fails("train/neg/5_1.txt", "\xE9t\xE9", ": not valid UTF-8");
  Members members(kReviews.begin(), kReviews.end());
  members.erase(members.begin() + 4);
  write(members);
  EXPECT_ERROR(read_imdb(folder_ / "aclImdb"), "no folder " + (folder_ / "aclImdb/test/pos"));
  EXPECT_ERROR(read_imdb(folder_ / "aclImdb_v1.tar.gz"), "no reviews in test/pos");
  write_archive(folder_ / "twice.tar.gz",
                {{"train/neg/0_1.txt", "a"}, {"train/pos/0_9.txt", "a"}, {"x/train/neg/0_1.txt", "a"}});
  EXPECT_ERROR(read_imdb(folder_ / "twice.tar.gz"), "the review \"train/neg/0_1\" is there twice");
  EXPECT_ERROR(read_imdb(folder_ / "absent"), (folder_ / "absent") + " does not exist");
  write_text(folder_ / "a.txt", "text");
  EXPECT_ERROR(read_imdb(folder_ / "a.txt"), "needed the folder aclImdb, or aclImdb_v1.tar.gz");
}

TEST(ImdbReal, SampleIsReadWhole) {
  REQUIRE_SHARED(sample, "data/imdb/sample/aclImdb");
  const DocumentSplits splits = read_imdb(sample);
  EXPECT_EQ(splits.train.size() + splits.test.size(), 100u);
}

TEST(ImdbReal, EveryReviewOfTheTables) {
  REQUIRE_SHARED(folder, "data/imdb");
  const ClassificationData data =
      read_classification({.train = {folder + "/train.tsv.gz"},
                           .test = {folder + "/test.tsv.gz"},
                           .columns = {.id = "none", .names = {"label", "id", "rating", "text"}}});
  EXPECT_EQ(data.train.size(), 24996u);
  EXPECT_EQ(data.test.size(), 24996u);
  EXPECT_EQ(data.labels, (std::vector<std::string>{"neg", "pos"}));
  // The set is known for its repetitions: 418 in both halves together.
  ASSERT_EQ(data.notices.size(), 3u);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "123 of 24996 documents of train are in test too",
                      data.notices[0]);
}

const std::string kArticles =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><articles>\n"
    "  <article id=\"0000007\" title=\"Seven &amp; more\">\n<p>First http://a.b/c text...</p> "
    "<p>end</p></article>\n"
    "  <article id=\"0000012\" published-at=\"2017-01-01\" title=\"\"><p>twelve</p></article>\n"
    "</articles>\n";
const std::string kTruth =
    "<articles>\n<article hyperpartisan=\"true\" id=\"0000007\" labeled-by=\"article\" url=\"x\"/>\n"
    "<article hyperpartisan=\"false\" id=\"0000012\"/>\n</articles>";

class Hyperpartisan : public testing::Test {
 protected:
  void write(const std::string& articles, const std::string& truth) {
    write_text(files_.articles, articles);
    write_text(files_.ground_truth, truth);
  }
  void fails(const std::string& articles, const std::string& truth, const std::string& message) {
    write(articles, truth);
    EXPECT_ERROR(read_hyperpartisan(files_, {}), message);
  }
  const TemporaryFolder folder_;
  const HyperpartisanFiles files_ = {.articles = folder_ / "hp/articles-set.xml",
                                     .ground_truth = folder_ / "hp/ground-truth-set.xml"};
};

TEST_F(Hyperpartisan, ArticlesAndLabelsComeTogether) {
  write(kArticles, kTruth);
  const auto documents = read_hyperpartisan(files_, {});
  ASSERT_EQ(ids_of(documents), (std::vector<std::string>{"0000007", "0000012"}));
  EXPECT_EQ(documents[0].text, "Seven & more\nFirst text. end");
  EXPECT_EQ(documents[0].label, "true");
  EXPECT_EQ(documents[0].where, files_.articles + ":2");
  EXPECT_EQ(documents[1].text, "twelve");
  EXPECT_EQ(documents[1].label, "false");
  EXPECT_EQ(read_hyperpartisan(files_, {.title = false, .clean = false})[0].text,
            "\nFirst http://a.b/c text... end");
  EXPECT_EQ(read_unlabelled(files_.articles, {}, {}).at(0).label, std::nullopt);
}

TEST_F(Hyperpartisan, FilesAreFoundAsPublished) {
  write(kArticles, kTruth);
  const auto expect_found = [&](const std::string& path) {
    const HyperpartisanFiles found = find_hyperpartisan(path);
    EXPECT_EQ(found.articles, files_.articles) << path;
    EXPECT_EQ(found.ground_truth, files_.ground_truth) << path;
  };
  expect_found(folder_ / "hp");
  expect_found(files_.articles);
  write_archive(folder_ / "hp/articles-set.zip", {{"articles-set.xml", kArticles}});
  expect_found(folder_ / "hp");
  fs::create_directories(folder_ / "zip");
  write_archive(folder_ / "zip/articles-set.zip", {{"articles-set.xml", kArticles}});
  write_archive(folder_ / "zip/ground-truth-set.zip", {{"ground-truth-set.xml", kTruth}});
  EXPECT_EQ(
      ids_of(read_classification({.corpus = ClassificationCorpus::hyperpartisan, .path = folder_ / "zip"})
                 .train),
      (std::vector<std::string>{"0000007", "0000012"}));
  fs::remove(folder_ / "zip/ground-truth-set.zip");
  EXPECT_ERROR(find_hyperpartisan(folder_ / "zip"), "no file ground-truth-set.xml or .zip beside it");
  write_text(folder_ / "hp/articles-other.xml", kArticles);
  EXPECT_ERROR(find_hyperpartisan(folder_ / "hp"),
               "there are articles-other.xml, articles-set.xml; name the one that is meant");
  fs::create_directories(folder_ / "none");
  EXPECT_ERROR(find_hyperpartisan(folder_ / "none"),
               "needed one file articles-*.xml or articles-*.zip, there is none");
  EXPECT_ERROR(find_hyperpartisan(folder_ / "absent"), "absent does not exist");
}

TEST_F(Hyperpartisan, FaultsAreNamed) {
  fails(kArticles, with(kTruth, "0000012", "0000013"),
        ":4: article 0000012 has no label in " + files_.ground_truth);
  fails(kArticles, with(kTruth, "</articles>", "<article id=\"1\" hyperpartisan=\"true\"/></articles>"),
        files_.ground_truth + ":4: article 1 is not in " + files_.articles);
  fails(kArticles, with(kTruth, "0000012", "0000007"),
        ":3: article 0000007 is given twice; " + files_.ground_truth + ":2");
  fails(kArticles, with(kTruth, "\"false\"", "\"maybe\""),
        ":3: article 0000012 has hyperpartisan=\"maybe\", needed true or false");
  fails(with(kArticles, "0000012", "0000007"), kTruth, ":4: the id \"0000007\" is given twice; ");
  fails(with(kArticles, " id=\"0000012\"", ""), kTruth, files_.articles + ":4: an <article> without id");
  fails(with(kArticles, "<p>twelve", "<p>"), kTruth,
        files_.articles + ":4: document \"0000012\" has no text");
  fails(with(kArticles, "<p>end</p>", "<p>end"), kTruth, files_.articles + ":3: not well-formed XML");
  fails("<articles></articles>", kTruth, ": no <article> is in it");
}

TEST(ArticleCleaning, AsPublished) {
  EXPECT_EQ(clean_article("he and/or she\nsaid&#160;so"), "he she saidso");
  EXPECT_EQ(clean_article("a/b/c 1/2"), "/c 1/2");
  EXPECT_EQ(clean_article("see http://x.y/z and wwwx, http ww end href=\"a\" q"), "see and http ww end q");
  EXPECT_EQ(clean_article(" what?!?! really... \t\xC2\xA0 yes! "), "what! really. yes!");
  EXPECT_EQ(clean_article("sooo aaa 2000 good 100,000 ____ no---yes ---no"),
            "so a 20 good 100,0 _ no-yes ---no");
  EXPECT_EQ(clean_article("\xC3\xA9\xC3\xA9\xC3\xA9 \xF0\x9F\x98\x80"), "\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(clean_article(""), "");
  EXPECT_EQ(clean_article(" \n"), "");
}

TEST(HyperpartisanReal, WholeSetWithThePublishedSplit) {
  REQUIRE_SHARED(folder, "data/hyperpartisan");
  const ClassificationSource source = {.corpus = ClassificationCorpus::hyperpartisan,
                                       .path = folder,
                                       .article = {.title = false, .clean = true},
                                       .split_file = folder + "/hp-splits.json"};
  const ClassificationData data = read_classification(source);
  EXPECT_EQ(data.train.size(), 516u);
  EXPECT_EQ(data.validation.size(), 64u);
  EXPECT_EQ(data.test.size(), 65u);
  EXPECT_EQ(data.labels, (std::vector<std::string>{"false", "true"}));
  std::string notices;
  for (const std::string& notice : data.notices) notices += notice + "\n";
  for (const char* part : {"hp-splits.json: 51 ids of train are in test too",
                           "hp-splits.json: 7 ids of validation are in test too",
                           "52 of 516 documents of train are in test too, by their text",
                           "58 of 645 documents are in no split and left out"})
    EXPECT_PRED_FORMAT2(testing::IsSubstring, part, notices);
}

// The SHA-256 of all cleaned texts, each with a line end, as the published steps give them in Python.
TEST(HyperpartisanReal, CleaningEqualsThePublished) {
  REQUIRE_SHARED(folder, "data/hyperpartisan");
  std::string all;
  for (const LabelledDocument& document : read_hyperpartisan(find_hyperpartisan(folder), {.title = false}))
    all += document.text + "\n";
  EXPECT_EQ(digest(Digest::kSha256, {reinterpret_cast<const uint8_t*>(all.data()), all.size()}),
            "0523b64ae2793fe1ae1d160a6362bef4a5ba4ba2326cf5ff6b6b8578172b89f9");
}

}  // namespace
}  // namespace lf
