// Texts and what they are compared with, from two files: a reference and a prediction for each record.
//   {"id": "a", "text": "..."}, where a reference may have "summary", "target", "abstract" or "highlights" in
//   place of "text"; without an id it is called after its line
//   {"article_id": "1009.3123", "abstract_text": ["<S> a sentence . </S>", ...], ...}   arXiv and PubMed
//   or a text a line, without ids
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lf {

struct TextPair {
  std::string id;  // the line's number where the files have lines of text
  std::string reference, prediction;
};

// The pairs in the reference's order: of JSON lines those with the same id, whatever the prediction's order;
// of lines of text those of the same number. A file whose first character but blanks is { has JSON lines; "-"
// is standard input. Throws Error with file and line for a record that is none, for an id that a file has
// twice or the other file has not, and for files of unequal kind or number of lines: nothing is left out.
std::vector<TextPair> read_text_pairs(const std::string& reference, const std::string& prediction);

}  // namespace lf
