// Cutting documents into pieces that can be encoded one by one, in parallel, with the ids of the whole, and
// gathering pieces into parts of some megabytes, the unit of parallel and of resumable work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/documents/source.h"

namespace lf {

// Text of one document within a part.
struct TextPiece {
  size_t begin = 0, end = 0;   // bytes in the part's text
  bool ends_document = false;  // such a piece may be empty

  bool operator==(const TextPiece&) const = default;
};

// Consecutive pieces. Text between two pieces belongs to none (the blank lines between paragraphs).
struct TextPart {
  std::string text;
  std::vector<TextPiece> pieces;

  std::string_view of(const TextPiece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

// How documents become pieces.
struct PieceRules {
  // Cut at every "\n\n" and drop these two bytes; pieces without text vanish.
  bool paragraphs = false;
  // A piece that has reached this size is cut before the next space behind an ASCII letter, digit, comma or
  // full stop: byte-level BPE's first step, which splits before such a space anyway, sees no difference.
  size_t piece_bytes = 512;
  // A part ends with the piece that reaches this size.
  size_t part_bytes = 8 << 20;
};

// Reads files of documents as parts. What a part holds depends on the documents and the rules alone.
class PartReader {
 public:
  PartReader(std::vector<DocumentFile> files, const PieceRules& rules);

  // The next part; nothing behind the last. Throws what DocumentReader does.
  std::optional<TextPart> next();

  // Documents without a piece so far; they end with no piece either.
  int64_t empty_documents() const { return empty_documents_; }
  // Bytes on disk read so far.
  int64_t bytes_read() const;

 private:
  bool read_chunk();
  bool cut(TextPart& part);
  size_t find_space(size_t from) const;
  void add_piece(TextPart& part, size_t end, size_t next_begin);

  std::vector<DocumentFile> files_;
  PieceRules rules_;
  size_t next_file_ = 0;
  int64_t bytes_of_files_before_ = 0;
  std::optional<DocumentReader> reader_;
  std::string buffer_;           // of one document or several, from the part's begin
  size_t begin_ = 0;             // of the next piece in buffer_
  bool document_ended_ = false;  // buffer_ ends with its document
  bool has_pieces_ = false;      // the document has given a piece
  int64_t empty_documents_ = 0;
};

}  // namespace lf
