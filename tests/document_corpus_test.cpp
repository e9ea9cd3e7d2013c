// Preparing documents: the exact stream, its splits, what is reported, resumed work and errors.
#include "data/document_corpus.h"

#include <cmath>

#include "core/hash.h"
#include "data/document_parts.h"
#include "tests/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// A folder with documents and a request to prepare them into `out`.
class DocumentCorpora : public ::testing::Test {
 protected:
  DocumentCorpora() {
    request_.tokenizer = byte_tokenizer();
    request_.sources = {folder_ / "source"};
    request_.folder = folder_ / "out";
  }

  // Documents of that many bytes in one file.
  std::vector<std::string> write_documents(const std::vector<size_t>& sizes, const std::string& name) {
    std::vector<std::string> documents;
    std::string lines;
    for (const size_t size : sizes) {
      documents.push_back(prose(size, static_cast<uint32_t>(documents.size() + 1)));
      lines += json_line(documents.back());
    }
    write_text(folder_ / name, lines);
    return documents;
  }

  static std::string join(const std::vector<std::string>& documents) {
    std::string stream;
    for (const std::string& document : documents) stream += document + "$";
    return stream;
  }

  // The text of train, validation and test.
  static std::string stream_of(const DocumentCorpus& corpus) {
    return text_of_tokens(corpus.train.path) + text_of_tokens(corpus.validation.path) +
           text_of_tokens(corpus.test.path);
  }

  // Bytes of every file of a prepared corpus.
  std::vector<std::string> files_of(const std::string& out) {
    std::vector<std::string> contents;
    for (const std::string& name : entries(out)) contents.push_back(name + read_file(out + "/" + name));
    return contents;
  }

  TemporaryFolder folder_;
  DocumentRequest request_;
};

const std::vector<std::string> kFiles = {"documents.json", "test.tokens", "train.tokens",
                                         "validation.tokens"};

TEST_F(DocumentCorpora, StreamIsEveryDocumentWithItsEnd) {
  const auto documents = write_documents(std::vector<size_t>(400, 500), "source/a.jsonl");
  write_text(folder_ / "source/b.txt.gz", gzipped("the last one \xC3\xA9"));
  write_text(folder_ / "source/readme.md", "no document");
  write_text(folder_ / "source/c.txt", "");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_EQ(stream_of(corpus), join(documents) + "the last one \xC3\xA9$");
  EXPECT_EQ(entries(folder_ / "out"), kFiles);
  EXPECT_EQ(open_document_corpus(folder_ / "out"), corpus);
  EXPECT_TRUE(is_document_corpus(folder_ / "out"));
  EXPECT_FALSE(is_document_corpus(folder_ / "source"));

  // Many documents: the cuts are at their ends, and shares are near what was asked for.
  const int64_t total = corpus.train.tokens + corpus.validation.tokens + corpus.test.tokens;
  for (const DocumentSplit* split : {&corpus.train, &corpus.validation, &corpus.test}) {
    const std::string content = text_of_tokens(split->path);
    EXPECT_EQ(split->tokens, static_cast<int64_t>(content.size()));
    EXPECT_EQ(split->documents, std::count(content.begin(), content.end(), '$'));
    EXPECT_EQ(split->bytes, split->tokens - split->documents);
    EXPECT_EQ(split->characters, split->bytes - std::count_if(content.begin(), content.end(),
                                                              [](char c) { return c == '\xC3'; }));
    EXPECT_EQ(content.back(), '$');
    EXPECT_FALSE(split->begins_inside_document);
    if (split != &corpus.train) {
      EXPECT_NEAR(static_cast<double>(split->tokens), 0.05 * static_cast<double>(total), 500);
    }
  }
  EXPECT_EQ(corpus.empty_documents, 1);
  EXPECT_EQ(corpus.warnings,
            (std::vector<std::string>{"1 files are no documents and were left out: readme.md",
                                      "1 documents are empty and add nothing"}));
  ASSERT_EQ(corpus.sources.size(), 3u);
  EXPECT_EQ(corpus.sources[1].name, "b.txt.gz");
  EXPECT_EQ(corpus.sources[1].split, "all");
  EXPECT_EQ(corpus.sources[0].sha256, digest_of_file(Digest::kSha256, folder_ / "source/a.jsonl"));
  EXPECT_EQ(corpus.sources[0].bytes, static_cast<int64_t>(fs::file_size(folder_ / "source/a.jsonl")));
  const TokenHeader header = TokenFile(corpus.validation.path).header();
  EXPECT_EQ(header.vocabulary_size, 262);
  EXPECT_EQ(header.provenance.corpus, "documents");
  EXPECT_EQ(header.provenance.source, "3 files");
  EXPECT_EQ(header.provenance.original_bytes, corpus.validation.bytes);
}

TEST_F(DocumentCorpora, AFewLongDocumentsAreCutInside) {
  const auto documents = write_documents({60'000, 50'000}, "source/a.jsonl");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_EQ(stream_of(corpus), join(documents));
  EXPECT_FALSE(corpus.train.begins_inside_document);
  EXPECT_TRUE(corpus.validation.begins_inside_document);
  EXPECT_TRUE(corpus.test.begins_inside_document);
  EXPECT_EQ(corpus.train.documents, 2);
  EXPECT_EQ(corpus.validation.documents, 1);
  EXPECT_EQ(corpus.test.documents, 1);
  EXPECT_NEAR(static_cast<double>(corpus.test.tokens), 5500, 600);
  EXPECT_NEAR(static_cast<double>(corpus.validation.tokens), 5500, 600);
  EXPECT_EQ(text_of_tokens(corpus.test.path).front(), ' ');
}

TEST_F(DocumentCorpora, ACutMovesToTheEndOfADocumentThatIsNear) {
  // The test split begins at 95 %: 200 bytes before it, less than a tenth of the split, a document ends.
  const auto near = write_documents({94'800, 5'200}, "source/a.jsonl");
  request_.split = {.validation = 0.2, .test = 0.05};
  EXPECT_EQ(text_of_tokens(prepare_documents(request_).test.path), near[1] + "$");
  const auto far = write_documents({93'000, 7'000}, "source/a.jsonl");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_TRUE(corpus.test.begins_inside_document);
  EXPECT_NEAR(static_cast<double>(corpus.test.tokens), 5000, 600);
  EXPECT_EQ(stream_of(corpus), join(far));
}

TEST_F(DocumentCorpora, SplitsCanHaveSourcesOfTheirOwn) {
  const auto train = write_documents({30'000, 3'000}, "source/a.jsonl");
  const auto validation = write_documents({100}, "validation/v.jsonl");
  const auto test = write_documents({200, 100}, "test.jsonl");
  request_.validation_sources = {folder_ / "validation"};
  DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_EQ(text_of_tokens(corpus.validation.path), join(validation));
  EXPECT_EQ(text_of_tokens(corpus.train.path) + text_of_tokens(corpus.test.path), join(train));
  EXPECT_GT(corpus.test.tokens, 1000);
  EXPECT_EQ(corpus.sources[0].split, "all");
  EXPECT_EQ(corpus.sources[1].split, "validation");

  request_.test_sources = {folder_ / "test.jsonl"};
  request_.split = {.validation = 0, .test = 0};
  corpus = prepare_documents(request_);
  EXPECT_EQ(text_of_tokens(corpus.train.path), join(train));
  EXPECT_EQ(text_of_tokens(corpus.validation.path), join(validation));
  EXPECT_EQ(text_of_tokens(corpus.test.path), join(test));
  EXPECT_EQ(corpus.sources[0].split, "train");
  EXPECT_EQ(open_document_corpus(folder_ / "out"), corpus);

  request_.validation_sources = {};
  request_.split = {.validation = 0.1, .test = 0};
  corpus = prepare_documents(request_);
  EXPECT_EQ(text_of_tokens(corpus.train.path) + text_of_tokens(corpus.validation.path), join(train));
  EXPECT_EQ(text_of_tokens(corpus.test.path), join(test));
}

TEST_F(DocumentCorpora, ParagraphsAreEncodedAloneAndJoined) {
  write_text(folder_ / "source/a.txt", "one\nstill\n\n\ntwo\n\n\n\nthree\n");
  write_text(folder_ / "v.txt", "\n\nv\n\n");
  write_text(folder_ / "t.txt", "a\n\nb");
  request_.validation_sources = {folder_ / "v.txt"};
  request_.test_sources = {folder_ / "t.txt"};
  request_.tokenizer = byte_tokenizer(true);
  request_.paragraphs = true;
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_EQ(text_of_tokens(corpus.train.path), "^one\nstill^\ntwo^three\n$");
  EXPECT_EQ(text_of_tokens(corpus.validation.path), "^v$");
  EXPECT_EQ(text_of_tokens(corpus.test.path), "^a^b$");
  EXPECT_EQ(corpus.train.characters, 19) << "of paragraphs, not of what separates them";
  EXPECT_TRUE(corpus.paragraphs);
}

TEST_F(DocumentCorpora, ResultDoesNotDependOnThreads) {
  write_documents(std::vector<size_t>(300, 5000), "source/a.jsonl");
  request_.part_bytes = 200'000;
  request_.threads = 1;
  prepare_documents(request_);
  const auto expected = files_of(folder_ / "out");
  for (const int threads : {2, 5}) {
    request_.threads = threads;
    prepare_documents(request_);
    EXPECT_EQ(files_of(folder_ / "out"), expected) << threads;
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
  EXPECT_EQ(files_of(folder_ / "resumed"), expected);

  // A damaged part is made anew.
  copy_parts(folder_ / "damaged");
  std::fstream file(folder_ / "damaged/parts/" + parts[0], std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(500'000).put('\x55').put('\xAA');
  file.close();
  fs::resize_file(folder_ / "damaged/parts/" + parts[1], 200'000);
  prepare_documents(request_);
  EXPECT_EQ(encoded_bytes, all);
  EXPECT_EQ(files_of(folder_ / "damaged"), expected);

  // Parts of another tokenizer or of other settings are not taken.
  copy_parts(folder_ / "other");
  request_.tokenizer.hash = "another";
  prepare_documents(request_);
  EXPECT_EQ(encoded_bytes, all);
  EXPECT_EQ(entries(folder_ / "other"), kFiles) << "stale parts stay";
  copy_parts(folder_ / "other");
  request_.tokenizer = counting(byte_tokenizer());
  request_.paragraphs = true;
  prepare_documents(request_);
  EXPECT_GT(encoded_bytes, all * 9 / 10);
}

TEST_F(DocumentCorpora, ProgressReachesItsEnd) {
  write_documents(std::vector<size_t>(300, 500), "source/a.jsonl");
  std::vector<std::string> ends;
  request_.progress = [&](const std::string& phase, int64_t done, int64_t total) {
    ASSERT_LE(done, total);
    if (done == total) ends.push_back(phase);
  };
  prepare_documents(request_);
  EXPECT_EQ(ends, (std::vector<std::string>{"checksum", "encode", "write"}));
}

TEST_F(DocumentCorpora, RequestsThatCannotBeServedAreExplained) {
  write_documents({20'000}, "source/a.jsonl");
  const auto fails = [&](const DocumentRequest& bad, const std::string& part) {
    EXPECT_ERROR(prepare_documents(bad), part);
    EXPECT_FALSE(fs::exists(folder_ / "out")) << part;
  };
  DocumentRequest bad = request_;
  bad.tokenizer.vocabulary_size = 65537;
  fails(bad, "a vocabulary of 65537 does not fit token files");
  bad = request_;
  bad.tokenizer.special.end.reset();
  fails(bad, "the tokenizer has no </s>");
  bad = request_;
  bad.split.test = 0;
  EXPECT_THROW(prepare_documents(bad), UsageError);
  bad.split = {.validation = 0.5, .test = 0.5};
  fails(bad, "must be fractions above 0 that leave something for training");
  bad = request_;
  bad.sources = {};
  fails(bad, "no source was given");
  bad = request_;
  bad.validation_sources = {folder_ / "source/../source/a.jsonl"};
  fails(bad, "a.jsonl is given twice");
  bad = request_;
  bad.folder = folder_ / "source/out";
  fails(bad, "lies in the source");
  bad = request_;
  bad.sources = {folder_ / "absent"};
  fails(bad, "no file or folder");
}

TEST_F(DocumentCorpora, TextThatCannotBePreparedIsExplained) {
  write_documents({20'000}, "source/a.jsonl");
  DocumentRequest bad = request_;
  bad.tokenizer.encode = [](std::string_view) { return std::vector<int32_t>{262}; };
  EXPECT_ERROR(prepare_documents(bad), "the tokenizer gave the id 262, its vocabulary has 262");
  bad.tokenizer.encode = [](std::string_view) { return std::vector<int32_t>{-1}; };
  EXPECT_ERROR(prepare_documents(bad), "the tokenizer gave the id -1");
  bad.tokenizer.encode = [](std::string_view) -> std::vector<int32_t> { throw Error("no such word"); };
  EXPECT_ERROR(prepare_documents(bad), "no such word");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  write_text(folder_ / "source/a.jsonl", "{\"text\": \"too little to be cut\"}\n");
  EXPECT_ERROR(prepare_documents(request_), "the test split would be empty: 21 tokens are too few to cut");
  write_text(folder_ / "source/a.jsonl", "{\"text\": \"\"}\n");
  EXPECT_ERROR(prepare_documents(request_), "split would be empty: 0 tokens");
}

TEST_F(DocumentCorpora, TwoPreparationsOfOneFolderExcludeEachOther) {
  write_documents({20'000}, "source/a.jsonl");
  fs::create_directories(folder_ / "out");
  {
    const PartsFolder held(folder_ / "out");
    EXPECT_ERROR(prepare_documents(request_), "another process is preparing documents here");
  }
  EXPECT_EQ(prepare_documents(request_).train.documents, 1);
}

TEST_F(DocumentCorpora, OpeningChecksTheFolder) {
  write_documents({20'000}, "source/a.jsonl");
  EXPECT_ERROR(open_document_corpus(folder_ / "source"), "holds no prepared documents; make them with");
  prepare_documents(request_);
  const std::string path = folder_ / "out/documents.json";
  const std::string json = read_file(path);
  write_text(path, json.substr(0, json.size() / 2));
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), path + ": not what this program writes");
  std::string other = json;
  other.replace(other.find("\"version\": 1"), 12, "\"version\": 9");
  write_text(path, other);
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "version 9, this program reads 1");
  write_text(path, json);
  fs::copy_file(folder_ / "out/test.tokens", folder_ / "out/train.tokens",
                fs::copy_options::overwrite_existing);
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "train.tokens: not the token file that");
  fs::remove(folder_ / "out/train.tokens");
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "cannot open");
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
