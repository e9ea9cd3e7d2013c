// Real books with the tokenizer of a real model: the ids that it was trained and measured on.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <utility>

#include "data/documents/document_tokenizer.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

std::vector<int32_t> tokens_of(const std::string& path) {
  const TokenFile file(path);
  std::vector<int32_t> ids(static_cast<size_t>(file.count()));
  file.copy(0, ids);
  return ids;
}

// Moby Dick for training, the others for validation and test.
DocumentRequest novels(const std::string& books, const std::string& tokenizer, const std::string& folder) {
  DocumentRequest request;
  request.sources = {books + "/2489_moby_dick.txt"};
  request.validation_sources = {books + "/145_middlemarch.txt"};
  request.test_sources = {books + "/599_vanity_fair.txt"};
  request.tokenizer = document_tokenizer(std::make_shared<ByteLevelTokenizer>(tokenizer));
  request.folder = folder;
  return request;
}

// The original ids of the model's published masked blocks are tokens 8,192 to 40,959 of Moby Dick.
TEST(DocumentTokens, ParagraphsAreThoseThatMiniRobertaWasMeasuredOn) {
  REQUIRE_SHARED(model, "data/mini-roberta");
  REQUIRE_SHARED(books, "data/longtext/gutenberg");
  std::vector<int32_t> expected;
  for (std::istringstream lines(read_file(model + "/table5-blocks.jsonl")); lines.peek() != EOF;) {
    std::string line;
    std::getline(lines, line);
    const auto record = nlohmann::json::parse(line);
    const auto ids = record.at("ids").at(0).get<std::vector<int32_t>>();
    const auto labels = record.at("labels").at(0).get<std::vector<int32_t>>();
    for (size_t i = 0; i < ids.size(); ++i) expected.push_back(labels[i] < 0 ? ids[i] : labels[i]);
  }
  ASSERT_EQ(expected.size(), 32768u);
  const TemporaryFolder folder;
  DocumentRequest request = novels(books, model, folder / "out");
  request.paragraphs = true;
  const DocumentCorpus corpus = prepare_documents(request);
  const std::vector<int32_t> ids = tokens_of(corpus.train.path);
  // Counted with Hugging Face's tokenizers; one more for </s>.
  ASSERT_EQ(ids.size(), 429'498u);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), ids.begin() + 8192));
  EXPECT_EQ(ids.back(), 2);
  EXPECT_EQ(corpus.vocabulary_size, 2048);
  EXPECT_EQ(corpus.special, (SpecialIds{0, 1, 2, 3, 4}));
}

// Cut into thousands of pieces, encoded in parallel: the ids of each book encoded whole.
TEST(DocumentTokens, PiecesGiveTheIdsOfWholeBooks) {
  REQUIRE_SHARED(tokenizer_folder, "data/tokenizers/roberta-base");
  REQUIRE_SHARED(books, "data/longtext/gutenberg");
  const TemporaryFolder folder;
  DocumentRequest request = novels(books, tokenizer_folder, folder / "out");
  request.threads = 2;
  const DocumentCorpus corpus = prepare_documents(request);
  const ByteLevelTokenizer tokenizer(tokenizer_folder);
  const std::pair<std::string, std::string> pairs[] = {
      {request.sources[0], corpus.train.path},
      {request.validation_sources[0], corpus.validation.path},
      {request.test_sources[0], corpus.test.path}};
  for (const auto& [book, tokens] : pairs) {
    std::vector<int32_t> expected = tokenizer.encode(read_file(book), false);
    expected.push_back(2);
    EXPECT_TRUE(tokens_of(tokens) == expected) << book;
  }
}

}  // namespace
}  // namespace lf
