#include "data/token_file.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/json.h"

namespace lf {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are written as the memory holds them");

constexpr char kMagic[9] = "LFTOKENS";
constexpr uint32_t kVersion = 1;
// Tokens start on a cache line.
constexpr int64_t kAlignment = 64;

struct FixedFields {
  char magic[8];
  uint32_t version;
  uint32_t type;
  uint64_t vocabulary_size;
  uint64_t count;
  char content_hash[32];  // hex digits
  uint32_t num_symbols;
  uint32_t provenance_bytes;
  uint64_t header_hash;  // XXH3-64 of the header up to the padding, with this field zero
};
static_assert(sizeof(FixedFields) == 80);

int64_t align(int64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

std::string to_json(const Provenance& provenance) {
  const nlohmann::ordered_json json = {{"corpus", provenance.corpus},
                                       {"split", provenance.split},
                                       {"newlines", provenance.newlines},
                                       {"source", provenance.source},
                                       {"source_sha256", provenance.source_sha256},
                                       {"original_bytes", provenance.original_bytes}};
  // A file name need not be UTF-8; JSON must be.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Provenance provenance_from_json(const std::string& path, std::string_view content) {
  try {
    const nlohmann::json json = parse_json(std::string(content), path + ": its provenance");
    Provenance provenance;
    json.at("corpus").get_to(provenance.corpus);
    json.at("split").get_to(provenance.split);
    json.at("newlines").get_to(provenance.newlines);
    json.at("source").get_to(provenance.source);
    json.at("source_sha256").get_to(provenance.source_sha256);
    json.at("original_bytes").get_to(provenance.original_bytes);
    return provenance;
  } catch (const nlohmann::json::exception& error) {
    throw Error(text(path, ": the token file's provenance is not what this program writes: ", error.what()));
  }
}

// The header as it stands in the file, padded to the first token.
std::string serialize(const TokenHeader& header) {
  const std::string provenance = to_json(header.provenance);
  FixedFields fields = {};
  std::memcpy(fields.magic, kMagic, sizeof(fields.magic));
  fields.version = kVersion;
  fields.type = static_cast<uint32_t>(header.type);
  fields.vocabulary_size = static_cast<uint64_t>(header.vocabulary_size);
  fields.count = static_cast<uint64_t>(header.count);
  std::memcpy(fields.content_hash, header.content_hash.data(), header.content_hash.size());
  fields.num_symbols = static_cast<uint32_t>(header.symbols.size());
  fields.provenance_bytes = static_cast<uint32_t>(provenance.size());
  std::string content(reinterpret_cast<const char*>(&fields), sizeof(fields));
  content.append(header.symbols.begin(), header.symbols.end());
  content += provenance;
  fields.header_hash = XXH3_64bits(content.data(), content.size());
  std::memcpy(content.data(), &fields, sizeof(fields));
  content.resize(static_cast<size_t>(align(static_cast<int64_t>(content.size()))), '\0');
  return content;
}

void check_vocabulary(const std::string& path, const TokenHeader& header) {
  CHECK(header.type == TokenType::kU8 || header.type == TokenType::kU16, path, ": tokens of type ",
        static_cast<uint32_t>(header.type), ", this program reads 1 (u8) and 2 (u16)");
  const int64_t limit = header.type == TokenType::kU8 ? 256 : 65536;
  CHECK(header.vocabulary_size >= 1 && header.vocabulary_size <= limit, path, ": a vocabulary of ",
        header.vocabulary_size, " does not fit tokens of ", static_cast<uint32_t>(header.type), " byte(s)");
  CHECK(header.symbols.empty() || static_cast<int64_t>(header.symbols.size()) == header.vocabulary_size, path,
        ": ", header.symbols.size(), " symbols for a vocabulary of ", header.vocabulary_size);
}

template <class Token>
void check_range(const std::string& path, std::span<const uint8_t> bytes, int64_t vocabulary_size) {
  const auto* const tokens = reinterpret_cast<const Token*>(bytes.data());
  const size_t count = bytes.size() / sizeof(Token);
  for (size_t i = 0; i < count; ++i) {
    CHECK(tokens[i] < vocabulary_size, path, ": token ", i, " is ", +tokens[i], ", the vocabulary has ",
          vocabulary_size);
  }
}

}  // namespace

TokenFile::TokenFile(const std::string& path) : file_(path) {
  parse_header();
  const int64_t size = static_cast<int64_t>(file_.bytes().size());
  const int64_t needed = tokens_begin_ + header_.count * static_cast<int64_t>(header_.type);
  CHECK(size >= needed, path, ": truncated token file: ", size, " bytes, its header promises ", needed);
  CHECK(size <= needed, path, ": ", size - needed, " bytes too many for the ", header_.count,
        " tokens its header promises");
}

void TokenFile::parse_header() {
  const std::span<const uint8_t> bytes = file_.bytes();
  CHECK(!bytes.empty(), path(), ": empty file, needed a token file");
  FixedFields fields;
  const bool has_magic = std::memcmp(bytes.data(), kMagic, std::min<size_t>(8, bytes.size())) == 0;
  CHECK(has_magic, path(), ": not a token file (it does not begin with ", kMagic,
        "); make one with longform prepare");
  CHECK(bytes.size() >= sizeof(fields), path(), ": truncated token file: ", bytes.size(),
        " bytes, the header alone has ", sizeof(fields));
  std::memcpy(&fields, bytes.data(), sizeof(fields));
  CHECK(fields.version == kVersion, path(), ": token file version ", fields.version, ", this program reads ",
        kVersion);
  const uint64_t header_size = sizeof(fields) + uint64_t{fields.num_symbols} + fields.provenance_bytes;
  CHECK(bytes.size() >= header_size, path(), ": truncated or damaged token file: ", bytes.size(),
        " bytes, the header alone has ", header_size);

  std::string header(bytes.begin(), bytes.begin() + static_cast<int64_t>(header_size));
  std::memset(header.data() + offsetof(FixedFields, header_hash), 0, sizeof(fields.header_hash));
  CHECK(XXH3_64bits(header.data(), header.size()) == fields.header_hash, path(),
        ": the token file's header is damaged (its hash differs)");
  // Far below overflow when multiplied by the token size.
  CHECK(fields.count >= 1 && fields.count < (uint64_t{1} << 60), path(), ": the header counts ", fields.count,
        " tokens");
  CHECK(fields.vocabulary_size <= 65536, path(), ": a vocabulary of ", fields.vocabulary_size,
        " is too large");

  header_.type = static_cast<TokenType>(fields.type);
  header_.vocabulary_size = static_cast<int64_t>(fields.vocabulary_size);
  header_.count = static_cast<int64_t>(fields.count);
  header_.content_hash.assign(fields.content_hash, sizeof(fields.content_hash));
  const auto symbols = bytes.begin() + sizeof(fields);
  header_.symbols.assign(symbols, symbols + fields.num_symbols);
  check_vocabulary(path(), header_);
  const std::string_view provenance(header.data() + sizeof(fields) + fields.num_symbols,
                                    fields.provenance_bytes);
  header_.provenance = provenance_from_json(path(), provenance);
  tokens_begin_ = align(static_cast<int64_t>(header_size));
}

std::span<const uint8_t> TokenFile::token_bytes() const {
  return file_.bytes().subspan(static_cast<size_t>(tokens_begin_));
}

void TokenFile::copy(int64_t begin, std::span<int32_t> out) const {
  const auto size = static_cast<int64_t>(out.size());
  CHECK(begin >= 0 && size <= count() && begin <= count() - size, path(), ": tokens ", begin, " to ",
        begin + size, " were asked for, there are ", count());
  if (header_.type == TokenType::kU8) {
    const uint8_t* const tokens = token_bytes().data() + begin;
    if (translation_.empty()) {
      std::copy(tokens, tokens + size, out.begin());
    } else {
      std::transform(tokens, tokens + size, out.begin(), [&](uint8_t token) { return translation_[token]; });
    }
  } else {
    const uint16_t* const tokens = reinterpret_cast<const uint16_t*>(token_bytes().data()) + begin;
    std::copy(tokens, tokens + size, out.begin());
  }
}

void TokenFile::read_as(const std::vector<uint8_t>& alphabet) {
  CHECK(!header_.symbols.empty() && header_.type == TokenType::kU8, path(),
        ": its tokens are not single bytes, so no alphabet can stand for them");
  std::vector<int32_t> translation;
  for (const uint8_t symbol : header_.symbols) {
    const auto found = std::find(alphabet.begin(), alphabet.end(), symbol);
    translation.push_back(found == alphabet.end() ? -1 : static_cast<int32_t>(found - alphabet.begin()));
  }
  std::vector<bool> occurs(header_.symbols.size());
  for (const uint8_t token : token_bytes()) occurs[token] = true;
  constexpr int kShown = 8;
  int count = 0;
  std::string unknown;
  for (size_t token = 0; token < occurs.size(); ++token) {
    if (!occurs[token] || translation[token] >= 0 || ++count > kShown) continue;
    unknown += text(unknown.empty() ? "" : ", ", hex_byte(header_.symbols[token]));
  }
  if (count > kShown) unknown += text(" and ", count - kShown, " more");
  if (!unknown.empty())
    throw UsageError(text("the text holds bytes that the model's alphabet of ", alphabet.size(),
                          " symbols does not have: ", unknown));
  translation_ = std::move(translation);
  header_.symbols = alphabet;
  header_.vocabulary_size = std::ssize(alphabet);
}

void TokenFile::verify() const {
  const std::string found = lf::content_hash(token_bytes());
  CHECK(found == header_.content_hash, path(), ": damaged token file: its tokens hash to ", found,
        ", its header says ", header_.content_hash);
  if (header_.type == TokenType::kU8) {
    check_range<uint8_t>(path(), token_bytes(), vocabulary_size());
  } else {
    check_range<uint16_t>(path(), token_bytes(), vocabulary_size());
  }
}

std::string TokenFile::decode(std::span<const int32_t> tokens) const {
  CHECK(!header_.symbols.empty(), path(),
        ": its tokens are not single bytes, so the file alone cannot decode them");
  std::string bytes;
  bytes.reserve(tokens.size());
  for (const int32_t token : tokens) {
    CHECK(token >= 0 && token < vocabulary_size(), path(), ": token ", token, ", the vocabulary has ",
          vocabulary_size());
    bytes += static_cast<char>(header_.symbols[static_cast<size_t>(token)]);
  }
  return bytes;
}

TokenFileWriter::TokenFileWriter(const std::string& path, TokenType type, int64_t vocabulary_size,
                                 std::vector<uint8_t> symbols, Provenance provenance)
    : file_(path) {
  header_.content_hash = hash_.hex();
  header_.type = type;
  header_.vocabulary_size = vocabulary_size;
  header_.symbols = std::move(symbols);
  header_.provenance = std::move(provenance);
  check_vocabulary(path, header_);
  // Holds the place; count and hashes are known, and written over it, at the end.
  file_.write(serialize(header_));
}

void TokenFileWriter::append(std::span<const uint16_t> tokens) {
  CHECK(!finished_, file_.path(), ": tokens appended after the file was finished");
  for (const uint16_t token : tokens) {
    CHECK(token < header_.vocabulary_size, file_.path(), ": token ", token, " given, the vocabulary has ",
          header_.vocabulary_size);
  }
  std::vector<uint8_t> bytes(tokens.size() * static_cast<size_t>(header_.type));
  if (header_.type == TokenType::kU8) {
    std::transform(tokens.begin(), tokens.end(), bytes.begin(),
                   [](uint16_t token) { return static_cast<uint8_t>(token); });
  } else if (!tokens.empty()) {
    std::memcpy(bytes.data(), tokens.data(), bytes.size());
  }
  hash_.update(bytes);
  file_.write(bytes);
  header_.count += static_cast<int64_t>(tokens.size());
}

TokenHeader TokenFileWriter::finish() {
  if (finished_) return header_;
  CHECK(header_.count > 0, file_.path(), ": a token file needs at least one token, none was given");
  header_.content_hash = hash_.hex();
  const std::string content = serialize(header_);
  file_.overwrite(0, {reinterpret_cast<const uint8_t*>(content.data()), content.size()});
  finished_ = true;
  return header_;
}

void TokenFileWriter::commit() {
  finish();
  file_.commit();
}

}  // namespace lf
