// Entities in records, JSON lines in one of two forms:
//   {"id": "a", "text": "Ann lives in Rome.", "entities": [{"start": 13, "end": 17, "label": "place"}]}
//   {"id": "b", "tokens": ["Ann", "lives", "in", "Rome"], "tags": ["B-person", "O", "O", "B-place"]}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/json_record.h"
#include "data/tasks/bad_records.h"
#include "data/tasks/tagged_text.h"

namespace lf {

// The entities of a record of text, [start, end) in characters (code points, as Python counts them), in their
// order; a span's type is its "label" or "type". A span may have its "text", which then must be what stands
// there. Throws Error naming the record for offsets outside the text, an empty span, another text, and spans
// that overlap. Without a text nothing is known of what stands there.
std::vector<Entity> spans_of_record(const JsonRecord& record, const std::optional<std::string>& text);

// The tags of a record of tokens. Throws Error naming the record for other than one each, and for what is no
// tag (see is_tag()).
std::vector<std::string> tags_of_record(const JsonRecord& record, size_t words);

// Positions in characters of a text as positions in bytes, and back.
class CharacterPlaces {
 public:
  explicit CharacterPlaces(std::string_view text);  // valid UTF-8

  int64_t characters() const { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t byte(int64_t character) const { return begins_[static_cast<size_t>(character)]; }
  // Of the character that begins there, or of the text's end.
  int64_t character(int64_t byte) const;

 private:
  std::vector<int64_t> begins_;  // of each character, and the end
};

// The texts of a file in its order, plain, gzipped or alone in an archive. A text's words are words_of() it;
// the tags of its spans follow `scheme`, and spans that begin or end inside a word are widened to all of it,
// which is noticed. Without ids records are called after their lines.
//
// What is bad about a record: malformed JSON, neither form, no words, what spans_of_record(),
// tokens_of_record() and tags_of_record() refuse, and spans that share a word once they are widened. Throws
// Error naming file and line for an id that is given twice and for a file without records.
std::vector<TaggedText> read_tagged_records(const std::string& path, TagScheme scheme, BadRecords bad,
                                            std::vector<std::string>& notices);

}  // namespace lf
