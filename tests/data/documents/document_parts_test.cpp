// Preparing documents in parts: the same bytes from any number of threads and after any interruption, and
// nothing reused that does not belong.
#include "data/documents/parts.h"

#include <algorithm>
#include <atomic>
#include <fstream>

#include "tests/data/documents/document_corpora.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

TEST_F(DocumentCorpora, ResultDoesNotDependOnThreads) {
  write_documents(std::vector<size_t>(300, 5000), "source/a.jsonl");
  request_.part_bytes = 200'000;
  request_.threads = 1;
  prepare_documents(request_);
  const auto expected = files_of(folder_ / "out");
  for (const int threads : {2, 5}) {
    request_.threads = threads;
    prepare_documents(request_);
    EXPECT_TRUE(files_of(folder_ / "out") == expected) << threads;
  }
}

// A preparation that a bad line near the end stops, after which the line is put right.
TEST_F(DocumentCorpora, FinishedPartsAreNotEncodedAgain) {
  write_documents(std::vector<size_t>(500, 5000), "source/a.jsonl");
  request_.part_bytes = 1 << 20;
  write_text(folder_ / "source/b.jsonl", "{}\n");
  std::atomic<int64_t> encoded_bytes = 0;
  const auto counting = [&encoded_bytes](const DocumentTokenizer& tokenizer) {
    DocumentTokenizer counted = tokenizer;
    counted.encode = [&encoded_bytes, encode = tokenizer.encode](std::string_view content) {
      encoded_bytes += static_cast<int64_t>(content.size());
      return encode(content);
    };
    return counted;
  };
  request_.tokenizer = counting(byte_tokenizer());
  EXPECT_ERROR(prepare_documents(request_), "b.jsonl:1: no \"text\"");
  EXPECT_EQ(entries(folder_ / "out"), std::vector<std::string>{"parts"});
  const int64_t before = encoded_bytes.exchange(0);
  EXPECT_GT(before, 2'000'000);
  const std::vector<std::string> parts = entries(folder_ / "out/parts");
  ASSERT_EQ(parts.size(), 2u);
  const auto copy_parts = [&](const std::string& out) {
    fs::remove_all(out);
    fs::create_directories(out);
    fs::copy(folder_ / "out/parts", out + "/parts");
    request_.folder = out;
    encoded_bytes = 0;
  };

  // The undisturbed result.
  write_text(folder_ / "source/b.jsonl", "{\"text\": \"put right\"}\n");
  request_.folder = folder_ / "whole";
  prepare_documents(request_);
  const int64_t all = encoded_bytes;
  const auto expected = files_of(folder_ / "whole");

  copy_parts(folder_ / "resumed");
  write_text(folder_ / "resumed/train.tokens.partial.17.0", "left by a killed process");
  prepare_documents(request_);
  EXPECT_EQ(encoded_bytes, all - before) << "what was finished was encoded again, or not taken from parts";
  EXPECT_TRUE(files_of(folder_ / "resumed") == expected);

  // A damaged part is made anew.
  copy_parts(folder_ / "damaged");
  std::fstream file(folder_ / "damaged/parts/" + parts[0], std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(500'000).put('\x55').put('\xAA');
  file.close();
  fs::resize_file(folder_ / "damaged/parts/" + parts[1], 200'000);
  prepare_documents(request_);
  EXPECT_EQ(encoded_bytes, all);
  EXPECT_TRUE(files_of(folder_ / "damaged") == expected);

  // Parts of another tokenizer or of other settings are not taken.
  copy_parts(folder_ / "other");
  request_.tokenizer.hash = "another";
  prepare_documents(request_);
  EXPECT_EQ(encoded_bytes, all);
  EXPECT_EQ(entries(folder_ / "other"), kPreparedFiles) << "stale parts stay";
  copy_parts(folder_ / "other");
  request_.tokenizer = counting(byte_tokenizer());
  request_.paragraphs = true;
  prepare_documents(request_);
  EXPECT_GT(encoded_bytes, all * 9 / 10);
}

TEST_F(DocumentCorpora, TwoPreparationsOfOneFolderExcludeEachOther) {
  write_documents({20'000}, "source/a.jsonl");
  fs::create_directories(folder_ / "out");
  {
    const PartsFolder held(folder_ / "out");
    EXPECT_ERROR(prepare_documents(request_), "another process is preparing a corpus here");
  }
  EXPECT_EQ(prepare_documents(request_).train.documents, 1);
}

TEST(PartFiles, DamageIsNoticed) {
  const TemporaryFolder folder;
  const EncodedPart part{.pieces = {{2, 3, 4, 0}, {1, 0, 0, 1}}, .tokens = {7, 8, 2}};
  const std::string path = folder / "a.part";
  save_part(path, part);
  const std::string content = read_file(path);
  {
    const PartFile file(path);
    file.verify();
    EXPECT_TRUE(
        std::equal(part.pieces.begin(), part.pieces.end(), file.pieces().begin(), file.pieces().end()));
    EXPECT_TRUE(
        std::equal(part.tokens.begin(), part.tokens.end(), file.tokens().begin(), file.tokens().end()));
  }
  for (size_t size = 0; size < content.size(); ++size) {
    write_text(path, content.substr(0, size));
    EXPECT_NE(error_of([&] { PartFile(path).verify(); }), "") << size;
  }
  for (size_t at = 0; at < content.size(); ++at) {
    std::string flipped = content;
    flipped[at] ^= 0x10;
    write_text(path, flipped);
    const bool unused = at >= 56 && at < 64;
    EXPECT_EQ(error_of([&] { PartFile(path).verify(); }).empty(), unused) << at;
  }
}

}  // namespace
}  // namespace lf
