// Preparing corpora: exact splits and symbols, from raw files and archives, and reading them back.
#include "data/characters/corpus.h"
#include "core/choices.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/hash.h"
#include "data/characters/sample_corpus.h"
#include "data/token_file.h"
#include "tests/data/archive_input.h"
#include "tests/data/characters/corpus_input.h"
#include "tests/data/documents/document_input.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

// The last byte value, 0xFF, only at the end: unseen in training.
constexpr char kText[] = "<mediawiki>\nsome text\n\nover lines, with 7 digits\nand \xC3\xA9 and an end\xFF";

std::string decode_all(const PreparedSplit& split) {
  const TokenFile file(split.path);
  file.verify();
  std::vector<int32_t> tokens(static_cast<size_t>(file.count()));
  file.copy(0, tokens);
  return file.decode(tokens);
}

// The real corpora of a development machine; empty where there are none.
std::string shared_data(const std::string& name) {
  const char* const given = std::getenv("LF_SHARED");
  const std::string path = (given ? std::string(given) : source_path("../shared")) + "/data/" + name;
  return std::filesystem::exists(path) ? path : "";
}

TEST(Splits, PublishedSizesAndRounding) {
  const SplitSizes full = split_sizes(100'000'000, {});
  EXPECT_EQ(full.train, 90'000'000);
  EXPECT_EQ(full.validation, 5'000'000);
  EXPECT_EQ(full.test, 5'000'000);
  for (int64_t bytes = 10; bytes < 500; ++bytes) {
    const SplitSizes sizes = split_sizes(bytes, {});
    ASSERT_EQ(sizes.train + sizes.validation + sizes.test, bytes);
  }
  EXPECT_ERROR(split_sizes(9, {}), "9 bytes give train 9, validation 0 and test 0");
  EXPECT_ERROR(split_sizes(2, {.validation = 0.4, .test = 0.4}), "each needs at least 1");
  EXPECT_THROW(split_sizes(100, {.validation = 0, .test = 0.1}), UsageError);
  EXPECT_THROW(split_sizes(100, {.validation = 0.5, .test = 0.5}), UsageError);
  EXPECT_THROW(split_sizes(100, {.validation = std::nan(""), .test = 0.1}), UsageError);
}

TEST(Corpus, BytesAreCutInOrderAndReadBack) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source.txt", kText);
  std::vector<std::string> phases;
  CorpusRequest wish = request(folder / "source.txt", CorpusKind::bytes, folder / "out");
  wish.split = {.validation = 0.1, .test = 0.2};
  wish.progress = [&](const std::string& phase, int64_t done, int64_t total) {
    if (done == total) phases.push_back(phase);
  };
  const PreparedCorpus corpus = prepare_corpus(wish);
  const std::string text = kText;
  const auto validation = static_cast<size_t>(std::lround(0.1 * static_cast<double>(text.size())));
  const auto test = static_cast<size_t>(std::lround(0.2 * static_cast<double>(text.size())));
  EXPECT_EQ(decode_all(corpus.test), text.substr(text.size() - test));
  EXPECT_EQ(decode_all(corpus.validation), text.substr(text.size() - test - validation, validation));
  EXPECT_EQ(decode_all(corpus.train), text.substr(0, text.size() - test - validation));
  EXPECT_TRUE(std::is_sorted(corpus.symbols.begin(), corpus.symbols.end()));
  EXPECT_EQ(corpus.symbols.front(), '\n');
  EXPECT_EQ(corpus.symbols.back(), 0xFF);
  EXPECT_EQ(corpus.newlines_removed, 0);
  EXPECT_FALSE(corpus.official);
  EXPECT_EQ(phases, (std::vector<std::string>{"checksum", "write"}));
  EXPECT_EQ(entries(folder / "out"),
            (std::vector<std::string>{"corpus.json", "test.tokens", "train.tokens", "validation.tokens"}));
  EXPECT_EQ(open_corpus(folder / "out"), corpus);
}

TEST(Corpus, StrippingRemovesNewlinesFromEverySplitAndTheVocabulary) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source", kText);
  CorpusRequest wish = request(folder / "source", CorpusKind::enwik8, folder / "out");
  wish.newlines = Newlines::strip;
  wish.split = {.validation = 0.3, .test = 0.3};
  const PreparedCorpus corpus = prepare_corpus(wish);
  const std::string all = decode_all(corpus.train) + decode_all(corpus.validation) + decode_all(corpus.test);
  std::string expected = kText;
  std::erase(expected, '\n');
  EXPECT_EQ(all, expected);
  EXPECT_EQ(corpus.newlines_removed, 4);
  // The cut is made before newlines go, as published: the splits cover the same bytes of the source.
  EXPECT_EQ(corpus.train.original_bytes + corpus.validation.original_bytes + corpus.test.original_bytes,
            static_cast<int64_t>(sizeof(kText) - 1));
  EXPECT_EQ(TokenFile(corpus.train.path).header().provenance.newlines, "strip");
  EXPECT_GT(TokenFile(corpus.train.path).header().provenance.original_bytes, corpus.train.tokens);
  wish.newlines = Newlines::keep;
  EXPECT_EQ(prepare_corpus(wish).symbols.size(), corpus.symbols.size() + 1);

  write_file_atomically(folder / "lines", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n");
  wish.source = folder / "lines";
  wish.folder = folder / "lines_out";
  wish.newlines = Newlines::strip;
  wish.split = {.validation = 0.05, .test = 0.04};
  EXPECT_ERROR(prepare_corpus(wish), "the test split is nothing but newlines");
}

TEST(Corpus, SymbolsUnseenInTrainingAreReported) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source", kText);
  const PreparedCorpus corpus = prepare_corpus(request(folder / "source", CorpusKind::bytes, folder / "out"));
  EXPECT_EQ(corpus.symbols_unseen_in_train, std::vector<uint8_t>{0xFF});
  ASSERT_EQ(corpus.warnings.size(), 1u);
  EXPECT_EQ(corpus.warnings[0], text("1 of ", corpus.symbols.size(),
                                     " symbols occur in validation or test but never in train: 0xFF"));
}

TEST(Corpus, Text8HasItsTwentySevenSymbolsAndRefusesOthers) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "text8", " anarchism originated as a term of abuse");
  const PreparedCorpus corpus = prepare_corpus(request(folder / "text8", CorpusKind::text8, folder / "out"));
  EXPECT_EQ(std::string(corpus.symbols.begin(), corpus.symbols.end()), " abcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(decode_all(corpus.train), " anarchism originated as a term of a");
  ASSERT_FALSE(corpus.warnings.empty());
  EXPECT_NE(corpus.warnings[0].find("a prefix or sample, not the official file"), std::string::npos);

  write_file_atomically(folder / "newline", std::string(123, 'x') + "\nabc");
  EXPECT_ERROR(prepare_corpus(request(folder / "newline", CorpusKind::text8, folder / "bad")),
               "text8: byte 0x0A at offset 123 of " + (folder / "newline"));
  write_file_atomically(folder / "upper", "Anarchism originated");
  EXPECT_ERROR(prepare_corpus(request(folder / "upper", CorpusKind::text8, folder / "bad")),
               "text8: byte 0x41 at offset 0");
  write_file_atomically(folder / "accent", "an apple \xC3\xA9");
  EXPECT_ERROR(prepare_corpus(request(folder / "accent", CorpusKind::text8, folder / "bad")),
               "byte 0xC3 at offset 9");
  EXPECT_FALSE(std::filesystem::exists(folder / "bad"));
}

TEST(Corpus, PackedAndRawGiveTheSameFiles) {
  const TemporaryFolder folder;
  const std::string content = letters(2'500'000);
  write_file_atomically(folder / "text8", content);
  write_archive(folder / "text8.zip", {{"text8", content}});
  write_archive(folder / "other.zip", {{"folder/", ""}, {"folder/text8", content}});
  std::filesystem::rename(folder / "other.zip", folder / "renamed");
  write_archive(folder / "text8.tar.gz", {{"folder/text8", content}});
  write_file_atomically(folder / "text8.gz", gzipped(content));
  prepare_corpus(request(folder / "text8", CorpusKind::text8, folder / "raw"));
  for (const std::string source : {"text8.zip", "renamed", "text8.tar.gz", "text8.gz"}) {
    const PreparedCorpus corpus = prepare_corpus(request(folder / source, CorpusKind::text8, folder / "zip"));
    EXPECT_EQ(corpus.source_sha256, digest_of_file(Digest::kSha256, folder / "text8"));
    ASSERT_EQ(entries(folder / "zip").size(), 4u);
    for (const std::string& name : entries(folder / "zip")) {
      EXPECT_EQ(content_hash_of_file(folder / ("zip/" + name)).hash,
                content_hash_of_file(folder / ("raw/" + name)).hash)
          << name;
    }
  }
  EXPECT_EQ(decode_all(open_corpus(folder / "zip").train), content.substr(0, 2'250'000));
}

TEST(Corpus, OfficialFilesAreRecognised) {
  const TemporaryFolder folder;
  OfficialCorpus official = *official_corpus(CorpusKind::enwik8);
  EXPECT_TRUE(check_official(official, "x", 100'000'000, official.sha256, true));
  EXPECT_FALSE(check_official(official, "x", 99, "", false));
  EXPECT_ERROR(check_official(official, "x", 99, "", true),
               "x: has 99 bytes, the official enwik8 has 100000000");
  EXPECT_ERROR(check_official(official, "x", 100'000'000, "00", false),
               "other content (SHA-256 00, published 2b49");
  EXPECT_FALSE(official_corpus(CorpusKind::bytes).has_value());

  write_file_atomically(folder / "source", kText);
  CorpusRequest wish = request(folder / "source", CorpusKind::enwik8, folder / "out");
  wish.require_official = true;
  EXPECT_ERROR(prepare_corpus(wish), "the official enwik8 has 100000000");
  wish.kind = CorpusKind::bytes;
  EXPECT_THROW(prepare_corpus(wish), UsageError);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  // A file of holes has the official size at no cost on disk.
  std::filesystem::resize_file(folder / "source", 100'000'000);
  EXPECT_ERROR(prepare_corpus(request(folder / "source", CorpusKind::enwik8, folder / "out")),
               "has the size of the official enwik8 but other content");
}

TEST(Corpus, NamesAreParsed) {
  EXPECT_EQ(choice_of<CorpusKind>("kind", "text8"), CorpusKind::text8);
  EXPECT_EQ(choice_of<Newlines>("newlines", "strip"), Newlines::strip);
  EXPECT_THROW(choice_of<CorpusKind>("kind", "enwik9"), UsageError);
  EXPECT_THROW(choice_of<Newlines>("newlines", "drop"), UsageError);
}

TEST(Corpus, OpeningChecksTheFolder) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source", kText);
  const std::string out = folder / "out";
  prepare_corpus(request(folder / "source", CorpusKind::bytes, out));
  EXPECT_ERROR(open_corpus(folder.path()), "is not a prepared corpus; make one with longform prepare");
  const std::string json = read_file(out + "/corpus.json");
  write_file_atomically(out + "/corpus.json", json.substr(0, json.size() / 2));
  EXPECT_ERROR(open_corpus(out), out + "/corpus.json:40:6: not valid JSON");
  std::string other = json;
  other.replace(other.find("\"keep\""), 6, "\"drop\"");
  write_file_atomically(out + "/corpus.json", other);
  EXPECT_ERROR(open_corpus(out), "newlines is drop; needed keep or strip");
  write_file_atomically(out + "/corpus.json", json);
  std::filesystem::copy_file(out + "/test.tokens", out + "/train.tokens",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_ERROR(open_corpus(out), "train.tokens: not the token file that");
  std::filesystem::remove(out + "/train.tokens");
  EXPECT_ERROR(open_corpus(out), "cannot open " + out + "/train.tokens");
}

TEST(SampleCorpus, IsTheFirstMegabyteOfEnwik8) {
  const std::string path = sample_corpus_path();
  // The published SHA-256 of that slice, often called enwik6.
  EXPECT_EQ(digest_of_file(Digest::kSha256, path),
            "369b688978f649681136198fb96db14c1616756260c55fb4b65e9bc049552cad");
  const TemporaryFolder folder;
  const PreparedCorpus corpus = prepare_corpus(request(path, CorpusKind::enwik8, folder / "out"));
  EXPECT_EQ(corpus.train.tokens, 900'000);
  EXPECT_EQ(corpus.validation.tokens, 50'000);
  EXPECT_EQ(corpus.test.tokens, 50'000);
  EXPECT_EQ(decode_all(corpus.train) + decode_all(corpus.validation) + decode_all(corpus.test),
            read_file(path));
}

TEST(SharedCorpora, PrefixesOfEnwik8AndText8) {
  const std::string enwik8 = shared_data("enwik8/enwik8.prefix");
  const std::string text8 = shared_data("text8/text8.prefix.derived");
  if (enwik8.empty() || text8.empty()) GTEST_SKIP() << "no shared data (set LF_SHARED to its folder)";
  const TemporaryFolder folder;
  CorpusRequest wish = request(enwik8, CorpusKind::enwik8, folder / "enwik8");
  const PreparedCorpus kept = prepare_corpus(wish);
  EXPECT_EQ(kept.source_bytes, 4'154'064);
  EXPECT_EQ(decode_all(kept.train) + decode_all(kept.validation) + decode_all(kept.test), read_file(enwik8));
  wish.newlines = Newlines::strip;
  const PreparedCorpus stripped = prepare_corpus(wish);
  EXPECT_EQ(stripped.newlines_removed, 46'667) << "the file's number of lines";
  EXPECT_EQ(stripped.symbols.size() + 1, kept.symbols.size());
  const PreparedCorpus letters_only = prepare_corpus(request(text8, CorpusKind::text8, folder / "text8"));
  EXPECT_EQ(letters_only.symbols.size(), 27u);
  EXPECT_EQ(letters_only.train.tokens + letters_only.validation.tokens + letters_only.test.tokens, 3'010'294);
}

}  // namespace
}  // namespace lf
