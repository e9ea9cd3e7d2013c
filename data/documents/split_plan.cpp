#include "data/documents/split_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/documents/parts.h"

namespace lf {
namespace {

// A cut moves to a document's end when that changes the split by at most this share of it.
constexpr double kReach = 0.1;

// Calls f(token, piece) for every piece of the stream, with the place of its first token.
template <class F>
void for_each_piece(const PartStream& stream, F&& f) {
  int64_t token = 0;
  for (const std::string& path : stream.parts) {
    const PartFile part(path);
    for (const PieceCounts& piece : part.pieces()) {
      f(token, piece);
      token += piece.tokens;
    }
  }
}

}  // namespace

int64_t find_split_begin(const PartStream& stream, double share, double share_behind) {
  const auto total = static_cast<double>(stream.tokens);
  const int64_t wanted = std::llround(total * (1 - share_behind - share));
  int64_t document = -1, piece_end = -1;
  const auto nearer = [wanted](int64_t a, int64_t b) {
    return b < 0 || std::abs(a - wanted) < std::abs(b - wanted);
  };
  for_each_piece(stream, [&](int64_t begin, const PieceCounts& piece) {
    const int64_t end = begin + piece.tokens;
    if (nearer(end, piece_end)) piece_end = end;
    if (piece.ends_document && nearer(end, document)) document = end;
  });
  const bool near = static_cast<double>(std::abs(document - wanted)) <= kReach * share * total;
  return document >= 0 && near ? document : piece_end;
}

DocumentSplit count_split(const StreamSegment& segment) {
  DocumentSplit split;
  bool inside = false;  // a document that has begun and not ended
  for_each_piece(*segment.stream, [&](int64_t begin, const PieceCounts& piece) {
    if (begin == segment.begin) split.begins_inside_document = inside;
    if (piece.tokens > 0) inside = !piece.ends_document;
    if (begin < segment.begin || begin >= segment.end) return;
    split.tokens += piece.tokens;
    split.characters += piece.characters;
    split.bytes += piece.bytes;
    split.documents += piece.ends_document;
    if (begin + piece.tokens == segment.end && inside) ++split.documents;
  });
  return split;
}

void append_segment(const StreamSegment& segment, TokenFileWriter& writer) {
  int64_t begin = 0;
  for (const std::string& path : segment.stream->parts) {
    const PartFile part(path);
    const auto size = static_cast<int64_t>(part.tokens().size());
    const int64_t from = std::clamp<int64_t>(segment.begin - begin, 0, size);
    const int64_t to = std::clamp<int64_t>(segment.end - begin, 0, size);
    writer.append(part.tokens().subspan(static_cast<size_t>(from), static_cast<size_t>(to - from)));
    begin += size;
  }
}

}  // namespace lf
