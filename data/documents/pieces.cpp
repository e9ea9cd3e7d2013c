#include "data/documents/pieces.h"

#include <utility>

#include "core/check.h"

namespace lf {
namespace {

constexpr std::string_view kParagraphEnd = "\n\n";

bool cuttable_before_space(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ',' || c == '.';
}

}  // namespace

PartReader::PartReader(std::vector<DocumentFile> files, const PieceRules& rules)
    : files_(std::move(files)), rules_(rules) {
  CHECK(rules.piece_bytes >= 1 && rules.part_bytes >= 1, "document parts: pieces of ", rules.piece_bytes,
        " and parts of ", rules.part_bytes, " bytes, needed at least 1");
}

int64_t PartReader::bytes_read() const {
  return bytes_of_files_before_ + (reader_ ? reader_->bytes_read() : 0);
}

// Appends a chunk to the buffer; false when all files are read.
bool PartReader::read_chunk() {
  DocumentChunk chunk;
  while (true) {
    if (!reader_) {
      if (next_file_ == files_.size()) return false;
      reader_.emplace(files_[next_file_]);
    }
    if (reader_->next(chunk)) break;
    reader_.reset();
    bytes_of_files_before_ += files_[next_file_++].bytes;
  }
  // In a record the characters count as they are, but an empty line is one in any form.
  if (rules_.paragraphs) unify_line_ends(chunk.text);
  if (buffer_.empty()) {
    buffer_ = std::move(chunk.text);  // a line may hold a whole book
  } else {
    buffer_ += chunk.text;
  }
  document_ended_ = chunk.ends_document;
  return true;
}

// The first place at or behind `from` where a piece may end before a space.
size_t PartReader::find_space(size_t from) const {
  for (size_t at = buffer_.find(' ', from); at != std::string::npos; at = buffer_.find(' ', at + 1)) {
    if (at > begin_ && cuttable_before_space(buffer_[at - 1])) return at;
  }
  return std::string::npos;
}

void PartReader::add_piece(TextPart& part, size_t end, size_t next_begin) {
  if (end > begin_) {
    part.pieces.push_back({begin_, end, false});
    has_pieces_ = true;
  }
  begin_ = next_begin;
}

// Cuts one piece off the buffer; false when that needs more text.
bool PartReader::cut(TextPart& part) {
  const size_t space = find_space(begin_ + rules_.piece_bytes);
  if (rules_.paragraphs) {
    const size_t stop = space == std::string::npos ? buffer_.size() : space;
    const size_t found = std::string_view(buffer_).substr(begin_, stop - begin_).find(kParagraphEnd);
    if (found != std::string_view::npos) {
      add_piece(part, begin_ + found, begin_ + found + kParagraphEnd.size());
      return true;
    }
  }
  if (space != std::string::npos) {
    add_piece(part, space, space);
    return true;
  }
  if (!document_ended_) return false;
  add_piece(part, buffer_.size(), buffer_.size());
  if (!has_pieces_) {
    ++empty_documents_;
  } else if (!part.pieces.empty() && part.pieces.back().end == buffer_.size()) {
    part.pieces.back().ends_document = true;
  } else {
    // The document's last text was a paragraph's end, and went with it.
    part.pieces.push_back({begin_, begin_, true});
  }
  document_ended_ = has_pieces_ = false;
  return true;
}

std::optional<TextPart> PartReader::next() {
  TextPart part;
  while (begin_ < rules_.part_bytes) {
    const bool may_cut = begin_ < buffer_.size() || document_ended_;
    if (may_cut && cut(part)) continue;
    if (!read_chunk()) break;
  }
  std::string rest = buffer_.substr(begin_);
  buffer_.resize(begin_);
  part.text = std::exchange(buffer_, std::move(rest));
  begin_ = 0;
  if (part.pieces.empty() && part.text.empty()) return std::nullopt;
  return part;
}

}  // namespace lf
