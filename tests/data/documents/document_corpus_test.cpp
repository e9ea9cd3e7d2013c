// Preparing documents: the exact stream, its splits, what is reported and refused.
#include "data/documents/document_corpus.h"

#include <algorithm>
#include <cmath>

#include "core/hash.h"
#include "tests/data/documents/document_corpora.h"

namespace lf {
namespace {

TEST_F(DocumentCorpora, StreamIsEveryDocumentWithItsEnd) {
  const auto documents = write_documents(std::vector<size_t>(400, 500), "source/a.jsonl");
  write_text(folder_ / "source/b.txt.gz", gzipped("the last one \xC3\xA9"));
  write_text(folder_ / "source/readme.md", "no document");
  write_text(folder_ / "source/c.txt", "");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_TRUE(stream_of(corpus) == join(documents) + "the last one \xC3\xA9$");
  EXPECT_EQ(entries(folder_ / "out"), kPreparedFiles);
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
  EXPECT_EQ(corpus.sources[0].bytes,
            static_cast<int64_t>(std::filesystem::file_size(folder_ / "source/a.jsonl")));
  const TokenHeader header = TokenFile(corpus.validation.path).header();
  EXPECT_EQ(header.vocabulary_size, 262);
  EXPECT_EQ(header.provenance.corpus, "documents");
  EXPECT_EQ(header.provenance.source, "3 files");
  EXPECT_EQ(header.provenance.original_bytes, corpus.validation.bytes);
}

TEST_F(DocumentCorpora, AFewLongDocumentsAreCutInside) {
  const auto documents = write_documents({60'000, 50'000}, "source/a.jsonl");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_TRUE(stream_of(corpus) == join(documents));
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
  // The test split begins at 95 %: 450 bytes before it, less than a tenth of the split, a document ends. The
  // piece behind it, of 512 bytes and a word, ends nearer.
  const auto near = write_documents({94'550, 5'450}, "source/a.jsonl");
  request_.split = {.validation = 0.2, .test = 0.05};
  EXPECT_EQ(text_of_tokens(prepare_documents(request_).test.path), near[1] + "$");
  request_.folder = folder_ / "far";  // the first one holds another source's corpus
  const auto far = write_documents({93'000, 7'000}, "source/a.jsonl");
  const DocumentCorpus corpus = prepare_documents(request_);
  EXPECT_TRUE(corpus.test.begins_inside_document);
  EXPECT_NEAR(static_cast<double>(corpus.test.tokens), 5000, 600);
  EXPECT_TRUE(stream_of(corpus) == join(far));
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
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out")) << part;
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
  fails(bad, "does not exist");
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
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  write_text(folder_ / "source/a.jsonl", "{\"text\": \"too little to be cut\"}\n");
  EXPECT_ERROR(prepare_documents(request_), "the test split would be empty: 21 tokens are too few to cut");
  write_text(folder_ / "source/a.jsonl", "{\"text\": \"\"}\n");
  EXPECT_ERROR(prepare_documents(request_), "split would be empty: 0 tokens");
}

TEST_F(DocumentCorpora, NothingIsPreparedOverARunOrAnotherCorpus) {
  write_documents({20'000}, "source/a.jsonl");
  prepare_documents(request_);
  const std::string before = read_file(folder_ / "out/documents.json");
  write_documents({20'000, 10'000}, "other/b.jsonl");
  DocumentRequest other = request_;
  other.sources = {folder_ / "other"};
  EXPECT_ERROR(prepare_documents(other), "holds a corpus of another source (documents.json)");
  EXPECT_EQ(read_file(folder_ / "out/documents.json"), before);
  other.sources.push_back(folder_ / "source");
  EXPECT_EQ(prepare_documents(other).sources.size(), 2u) << "the same sources and more";
  write_text(folder_ / "run/log.jsonl", "");
  other.folder = folder_ / "run";
  EXPECT_ERROR(prepare_documents(other), "holds a run (log.jsonl)");
}

TEST_F(DocumentCorpora, OpeningChecksTheFolder) {
  write_documents({20'000}, "source/a.jsonl");
  EXPECT_ERROR(open_document_corpus(folder_ / "source"), "holds no prepared documents; make them with");
  prepare_documents(request_);
  const std::string path = folder_ / "out/documents.json";
  const std::string json = read_file(path);
  write_text(path, json.substr(0, json.size() / 2));
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), path + ":29:8: not valid JSON");
  std::string other = json;
  other.replace(other.find("\"version\": 1"), 12, "\"version\": 9");
  write_text(path, other);
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "version 9, this program reads 1");
  write_text(path, json);
  std::filesystem::copy_file(folder_ / "out/test.tokens", folder_ / "out/train.tokens",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "train.tokens: not the token file that");
  std::filesystem::remove(folder_ / "out/train.tokens");
  EXPECT_ERROR(open_document_corpus(folder_ / "out"), "cannot open");
}

}  // namespace
}  // namespace lf
