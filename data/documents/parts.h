// Encoded parts of a corpus of documents, kept as files until the corpus is finished. A part's file is named
// after a hash of its text and of everything that its ids depend on, so that nothing else is ever taken for
// it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/documents/document_tokenizer.h"
#include "data/documents/pieces.h"

namespace lf {

// What a piece became.
struct PieceCounts {
  uint32_t tokens = 0;  // with the </s> behind its document
  uint32_t characters = 0;
  uint32_t bytes = 0;
  uint32_t ends_document = 0;  // 0 or 1

  bool operator==(const PieceCounts&) const = default;
};

struct EncodedPart {
  std::vector<PieceCounts> pieces;
  std::vector<uint16_t> tokens;
};

// 32 hex digits: the part's text, its pieces, the tokenizer's hash and special ids.
std::string part_key(const TextPart& part, const DocumentTokenizer& tokenizer);

// Encodes the pieces on `threads` threads; the result does not depend on how many. Throws Error when the
// tokenizer gives an id outside its vocabulary.
EncodedPart encode_part(const TextPart& part, const DocumentTokenizer& tokenizer, int threads);

// Writes the part's file durably, or leaves none.
void save_part(const std::string& path, const EncodedPart& part);

// A part's file, mapped.
class PartFile {
 public:
  // Throws Error when the file is not a whole part.
  explicit PartFile(const std::string& path);
  // Throws Error when the content is damaged.
  void verify() const;

  std::span<const PieceCounts> pieces() const { return pieces_; }
  std::span<const uint16_t> tokens() const { return tokens_; }

 private:
  MappedFile file_;
  std::span<const PieceCounts> pieces_;
  std::span<const uint16_t> tokens_;
};

// The subfolder `parts` of a corpus's folder. The corpus's folder is held for this process alone.
class PartsFolder {
 public:
  // Makes both folders if missing. Throws Error when another process prepares a corpus there.
  explicit PartsFolder(const std::string& corpus_folder);
  // Removes what it has made and nothing was put into.
  ~PartsFolder();
  PartsFolder(const PartsFolder&) = delete;
  PartsFolder& operator=(const PartsFolder&) = delete;

  std::string path_of(const std::string& key) const { return path_ + "/" + key + ".part"; }
  // Whether the part was finished before; a damaged file is removed.
  bool has(const std::string& key) const;
  // Removes the folder and every part in it.
  void remove();

 private:
  std::string path_;
  bool made_corpus_folder_;
  FolderLock lock_;
};

}  // namespace lf
