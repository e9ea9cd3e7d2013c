// Tagged words in columns, as CoNLL's shared tasks publish them: a word a line with its tag, blank lines
// between sentences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/tagged_text.h"

namespace lf {

// What is read as one text: each sentence, or each document that the file marks.
enum class TaggedUnit { kSentences, kDocuments };

inline std::vector<std::string> names_of(TaggedUnit) { return {"sentences", "documents"}; }

struct TaggedColumns {
  // Between columns; empty: a tab where the first row has one, else any blanks.
  std::string separator = {};
  // From 1 on, or from the last one back: -1, -2, ...
  int64_t word = 1, tag = -1;
  TaggedUnit unit = TaggedUnit::kSentences;
};

// The texts of a file, plain, gzipped or alone in an archive, in its order. Documents begin with a line
// "#begin document NAME" (and may end with "#end document") or with the word "-DOCSTART-"; a file without
// marks is one. Documents go by their names, where they have one, and other texts by the line of their first
// word. Empty columns at the end of a row do not count.
//
// Throws Error naming file and line for a row with other than the number of columns of the first row, of the
// file or behind the last mark of a document, a column that is not there, an empty word, what is no tag (see
// is_tag()), invalid UTF-8, a name that is given twice, a document without words, and a file without any.
std::vector<TaggedText> read_tagged_columns(const std::string& path, const TaggedColumns& columns);

}  // namespace lf
