// Token files read back what was written, and every kind of damage has its own error.
#include "data/token_file.h"

#include <array>
#include <cstring>

#include "tests/temporary_folder.h"

namespace lf {
namespace {

const Provenance kProvenance = {.corpus = "enwik8",
                                .split = "train",
                                .newlines = "strip",
                                .source = "enwik8 \"x\"",
                                .source_sha256 = "00ff",
                                .original_bytes = 12};

// Five tokens 0 1 2 1 0 over the symbols a, b, \n.
std::string write_small(const TemporaryFolder& folder) {
  TokenFileWriter writer(folder / "small.tokens", TokenType::kU8, 3, {'a', 'b', '\n'}, kProvenance);
  writer.append(std::array<uint16_t, 3>{0, 1, 2});
  writer.append(std::array<uint16_t, 2>{1, 0});
  writer.commit();
  return folder / "small.tokens";
}

std::vector<int32_t> tokens_of(const TokenFile& file) {
  std::vector<int32_t> tokens(static_cast<size_t>(file.count()));
  file.copy(0, tokens);
  return tokens;
}

// The file's content with one change, under a new name.
template <class Change>
std::string damaged(const TemporaryFolder& folder, Change&& change) {
  std::string content = read_file(write_small(folder));
  change(content);
  write_file_atomically(folder / "damaged.tokens", content);
  return folder / "damaged.tokens";
}

template <class Value>
void put(std::string& content, size_t offset, Value value) {
  std::memcpy(content.data() + offset, &value, sizeof(value));
}

// Recomputes the header hash (at 72, over fields, symbols and provenance), as a forger or a faulty writer
// would.
void reseal(std::string& content) {
  uint32_t sizes[2];
  std::memcpy(sizes, content.data() + 64, sizeof(sizes));
  put(content, 72, uint64_t{0});
  put(content, 72, uint64_t{XXH3_64bits(content.data(), 80 + sizes[0] + sizes[1])});
}

TEST(TokenFile, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const TokenFile file(write_small(folder));
  EXPECT_EQ(file.header().type, TokenType::kU8);
  EXPECT_EQ(file.vocabulary_size(), 3);
  EXPECT_EQ(file.header().symbols, (std::vector<uint8_t>{'a', 'b', '\n'}));
  EXPECT_EQ(file.header().provenance, kProvenance);
  EXPECT_EQ(file.header().content_hash, content_hash(std::array<uint8_t, 5>{0, 1, 2, 1, 0}));
  EXPECT_EQ(tokens_of(file), (std::vector<int32_t>{0, 1, 2, 1, 0}));
  EXPECT_EQ(file.decode(tokens_of(file)), "ab\nba");
  file.verify();
  EXPECT_EQ(entries(folder.path()), std::vector<std::string>{"small.tokens"});
}

TEST(TokenFile, WideTokensKeepTheirValues) {
  const TemporaryFolder folder;
  const std::vector<uint16_t> tokens = {0, 255, 256, 50264, 65534};
  TokenFileWriter writer(folder / "wide", TokenType::kU16, 65535, {}, kProvenance);
  writer.append(tokens);
  EXPECT_ERROR(writer.append(std::array<uint16_t, 1>{65535}), "token 65535 given, the vocabulary has 65535");
  writer.commit();
  const TokenFile file(folder / "wide");
  file.verify();
  EXPECT_EQ(tokens_of(file), std::vector<int32_t>(tokens.begin(), tokens.end()));
  EXPECT_ERROR(file.decode(tokens_of(file)), "not single bytes");
}

TEST(TokenFile, RangesAreChecked) {
  const TemporaryFolder folder;
  const TokenFile file(write_small(folder));
  std::vector<int32_t> two(2);
  file.copy(3, two);
  EXPECT_EQ(two, (std::vector<int32_t>{1, 0}));
  EXPECT_ERROR(file.copy(4, two), "tokens 4 to 6 were asked for, there are 5");
  EXPECT_ERROR(file.copy(-1, two), "tokens -1 to 1 were asked for");
  std::vector<int32_t> six(6);
  EXPECT_ERROR(file.copy(0, six), "there are 5");
  EXPECT_ERROR(file.decode(std::array<int32_t, 1>{3}), "token 3, the vocabulary has 3");
  EXPECT_ERROR(file.decode(std::array<int32_t, 1>{-1}), "token -1");
}

TEST(TokenFile, WriterRefusesWhatCannotBeRight) {
  const TemporaryFolder folder;
  EXPECT_ERROR(TokenFileWriter(folder / "a", TokenType::kU8, 257, {}, {}),
               "a vocabulary of 257 does not fit");
  EXPECT_ERROR(TokenFileWriter(folder / "a", TokenType::kU16, 65537, {}, {}), "does not fit");
  EXPECT_ERROR(TokenFileWriter(folder / "a", TokenType::kU8, 0, {}, {}), "a vocabulary of 0");
  EXPECT_ERROR(TokenFileWriter(folder / "a", TokenType::kU8, 3, {'a'}, {}),
               "1 symbols for a vocabulary of 3");
  TokenFileWriter empty(folder / "a", TokenType::kU8, 3, {}, {});
  EXPECT_ERROR(empty.commit(), "needs at least one token");
  TokenFileWriter finished(folder / "b", TokenType::kU8, 3, {}, {});
  finished.append(std::array<uint16_t, 1>{2});
  EXPECT_EQ(finished.finish().count, 1);
  EXPECT_ERROR(finished.append(std::array<uint16_t, 1>{2}), "after the file was finished");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  EXPECT_FALSE(std::filesystem::exists(folder / "b"));
}

// What opening the small file says after the change.
template <class Change>
std::string opening(const TemporaryFolder& folder, Change&& change) {
  const std::string path = damaged(folder, change);
  const std::string message = error_of([&] { TokenFile file(path); });
  // Every error starts with the file's path.
  EXPECT_EQ(message.substr(0, path.size()), path);
  return message;
}

TEST(TokenFile, OpeningNamesTheDamage) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& part, auto change) {
    EXPECT_PRED_FORMAT2(testing::IsSubstring, part, opening(folder, change));
  };
  says("empty file", [](std::string& c) { c.clear(); });
  says("not a token file", [](std::string& c) { c[0] = 'X'; });
  says("not a token file", [](std::string& c) { c = "PK"; });
  says("truncated token file: 3 bytes", [](std::string& c) { c.resize(3); });
  says("truncated token file: 79 bytes", [](std::string& c) { c.resize(79); });
  says("truncated or damaged token file: 100 bytes", [](std::string& c) { c.resize(100); });
  says("truncated token file", [](std::string& c) { c.pop_back(); });
  says("1 bytes too many for the 5 tokens", [](std::string& c) { c += 'x'; });
  says("token file version 2, this program reads 1", [](std::string& c) { put(c, 8, 2u); });
  says("header is damaged", [](std::string& c) { c[32] ^= 1; });  // content hash
  says("header is damaged", [](std::string& c) { c[81] ^= 1; });  // a symbol
  says("header is damaged", [](std::string& c) { c[90] ^= 1; });  // provenance
  says("header is damaged", [](std::string& c) { put(c, 24, uint64_t{6}); });
}

TEST(TokenFile, OpeningNamesContradictionsUnderAValidHash) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& part, auto change) {
    EXPECT_PRED_FORMAT2(testing::IsSubstring, part, opening(folder, [&](std::string& content) {
                          change(content);
                          reseal(content);
                        }));
  };
  EXPECT_EQ(error_of([&] { TokenFile(damaged(folder, reseal)).verify(); }), "") << "reseal() must be right";
  says("tokens of type 3", [](std::string& c) { put(c, 12, 3u); });
  says("the header counts 0 tokens", [](std::string& c) { put(c, 24, uint64_t{0}); });
  says("the header counts", [](std::string& c) { put(c, 24, ~uint64_t{0}); });
  says("truncated token file", [](std::string& c) { put(c, 24, uint64_t{6}); });
  says("3 symbols for a vocabulary of 4", [](std::string& c) { put(c, 16, uint64_t{4}); });
  says("is too large", [](std::string& c) { put(c, 16, ~uint64_t{0}); });
  says("provenance", [](std::string& c) { c[83] = 'x'; });
}

TEST(TokenFile, VerifyFindsDamagedAndImpossibleTokens) {
  const TemporaryFolder folder;
  const TokenFile flipped(damaged(folder, [](std::string& c) { c.back() ^= 1; }));
  EXPECT_ERROR(flipped.verify(), "damaged token file: its tokens hash to");
  const TokenFile impossible(damaged(folder, [](std::string& c) {
    c.back() = 3;
    const std::string hash = content_hash(std::array<uint8_t, 5>{0, 1, 2, 1, 3});
    c.replace(32, 32, hash);
    reseal(c);
  }));
  EXPECT_ERROR(impossible.verify(), "token 4 is 3, the vocabulary has 3");
}

}  // namespace
}  // namespace lf
