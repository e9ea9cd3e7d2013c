#include "data/documents/parts.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/hash.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// Raised when the same text and settings would become other ids or another layout.
constexpr uint32_t kVersion = 1;

struct PartHeader {
  char magic[8] = {'L', 'F', 'P', 'A', 'R', 'T', '0', '1'};
  uint64_t num_pieces = 0;
  uint64_t num_tokens = 0;
  char content_hash[32] = {};  // hex digits: of everything behind the header
  char reserved[8] = {};       // the pieces begin on 64 bytes
};
static_assert(sizeof(PartHeader) == 64 && sizeof(PieceCounts) == 16);

template <class T>
std::span<const uint8_t> bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size_bytes()};
}

uint32_t count_characters(std::string_view valid_utf8) {
  // Every character has one byte that is no continuation byte.
  return static_cast<uint32_t>(
      std::count_if(valid_utf8.begin(), valid_utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The exception of the first piece that threw one, whichever thread met it.
class FirstError {
 public:
  void keep(size_t piece, std::exception_ptr error) {
#pragma omp critical(longform_encode_part)
    if (!error_ || piece < piece_) {
      piece_ = piece;
      error_ = std::move(error);
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  size_t piece_ = 0;
  std::exception_ptr error_;
};

std::vector<uint16_t> encode_piece(std::string_view piece, bool ends_document,
                                   const DocumentTokenizer& tokenizer) {
  const std::vector<int32_t> ids = piece.empty() ? std::vector<int32_t>{} : tokenizer.encode(piece);
  std::vector<uint16_t> tokens;
  tokens.reserve(ids.size() + 1);
  for (const int32_t id : ids) {
    CHECK(id >= 0 && id < tokenizer.vocabulary_size, "the tokenizer gave the id ", id,
          ", its vocabulary has ", tokenizer.vocabulary_size);
    tokens.push_back(static_cast<uint16_t>(id));
  }
  if (ends_document) tokens.push_back(static_cast<uint16_t>(*tokenizer.special.end));
  return tokens;
}

}  // namespace

std::string part_key(const TextPart& part, const DocumentTokenizer& tokenizer) {
  const std::string settings =
      text("parts ", kVersion, " tokenizer ", tokenizer.hash, " vocabulary ", tokenizer.vocabulary_size,
           " end ", *tokenizer.special.end, " bytes ", part.text.size(), "\n");
  ContentHash hash;
  hash.update(bytes_of(std::span<const char>(settings)));
  hash.update(bytes_of(std::span<const char>(part.text)));
  std::vector<uint64_t> borders;
  borders.reserve(3 * part.pieces.size());
  for (const TextPiece& piece : part.pieces)
    borders.insert(borders.end(), {piece.begin, piece.end, uint64_t{piece.ends_document}});
  hash.update(bytes_of(std::span<const uint64_t>(borders)));
  return hash.hex();
}

EncodedPart encode_part(const TextPart& part, const DocumentTokenizer& tokenizer, int threads) {
  const auto count = static_cast<int64_t>(part.pieces.size());
  std::vector<std::vector<uint16_t>> ids(part.pieces.size());
  FirstError first_error;
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    try {
      ids[at] = encode_piece(part.of(part.pieces[at]), part.pieces[at].ends_document, tokenizer);
    } catch (...) {
      first_error.keep(at, std::current_exception());
    }
  }
  first_error.rethrow();

  EncodedPart result;
  for (size_t i = 0; i < ids.size(); ++i) {
    const TextPiece& piece = part.pieces[i];
    const size_t bytes = piece.end - piece.begin;
    CHECK(bytes <= UINT32_MAX, "documents: a piece of ", bytes,
          " bytes without a place to cut it; needed spaces between words");
    result.pieces.push_back({.tokens = static_cast<uint32_t>(ids[i].size()),
                             .characters = count_characters(part.of(piece)),
                             .bytes = static_cast<uint32_t>(bytes),
                             .ends_document = piece.ends_document});
    result.tokens.insert(result.tokens.end(), ids[i].begin(), ids[i].end());
  }
  return result;
}

void save_part(const std::string& path, const EncodedPart& part) {
  const auto pieces = bytes_of(std::span<const PieceCounts>(part.pieces));
  const auto tokens = bytes_of(std::span<const uint16_t>(part.tokens));
  ContentHash hash;
  if (!pieces.empty()) hash.update(pieces);
  if (!tokens.empty()) hash.update(tokens);
  PartHeader header;
  header.num_pieces = part.pieces.size();
  header.num_tokens = part.tokens.size();
  const std::string hex = hash.hex();
  std::copy(hex.begin(), hex.end(), header.content_hash);
  AtomicFile file(path);
  file.write(bytes_of(std::span<const PartHeader>(&header, 1)));
  file.write(pieces);
  if (const int error = failpoint("documents.part")) throw_file_error("write", path, error);
  file.write(tokens);
  file.commit();
}

PartFile::PartFile(const std::string& path) : file_(path) {
  const std::span<const uint8_t> bytes = file_.bytes();
  const PartHeader expected;
  PartHeader header;
  CHECK(bytes.size() >= sizeof(header), path, ": truncated part of a corpus");
  std::memcpy(&header, bytes.data(), sizeof(header));
  CHECK(std::memcmp(header.magic, expected.magic, sizeof(header.magic)) == 0, path,
        ": not a part of a corpus");
  // Compared one by one, so that no damaged count can overflow.
  const size_t room = bytes.size() - sizeof(header);
  CHECK(header.num_pieces <= room / sizeof(PieceCounts) && header.num_tokens <= room / sizeof(uint16_t) &&
            room == header.num_pieces * sizeof(PieceCounts) + header.num_tokens * sizeof(uint16_t),
        path, ": a part of a corpus of the wrong size");
  const uint8_t* const content = bytes.data() + sizeof(header);
  pieces_ = {reinterpret_cast<const PieceCounts*>(content), header.num_pieces};
  tokens_ = {reinterpret_cast<const uint16_t*>(content + pieces_.size_bytes()), header.num_tokens};
}

void PartFile::verify() const {
  const std::span<const uint8_t> bytes = file_.bytes();
  PartHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  CHECK(content_hash(bytes.subspan(sizeof(header))) == std::string(header.content_hash, 32), file_.path(),
        ": damaged part of a corpus: its hash differs");
  uint64_t tokens = 0;
  for (const PieceCounts& piece : pieces_) tokens += piece.tokens;
  CHECK(tokens == tokens_.size(), file_.path(), ": damaged part of a corpus: its counts differ");
}

PartsFolder::PartsFolder(const std::string& corpus_folder)
    : path_(corpus_folder + "/parts"),
      made_corpus_folder_(create_folders(corpus_folder)),
      lock_(corpus_folder, "preparing a corpus") {
  create_folders(path_);
}

PartsFolder::~PartsFolder() {
  std::error_code not_empty;
  fs::remove(path_, not_empty);
  if (made_corpus_folder_) fs::remove(fs::path(path_).parent_path(), not_empty);
}

bool PartsFolder::has(const std::string& key) const {
  const std::string path = path_of(key);
  if (!fs::exists(path)) return false;
  try {
    PartFile(path).verify();
    return true;
  } catch (const Error&) {
    // It can be made again; whoever damaged it must not fail the corpus.
    fs::remove(path);
    return false;
  }
}

void PartsFolder::remove() {
  std::error_code error;
  fs::remove_all(path_, error);
  if (error) throw_file_error("remove", path_, error.value());
}

}  // namespace lf
