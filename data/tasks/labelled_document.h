// Documents for classification, as every reader gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lf {

// The most bytes that a document may have: more than any book.
inline constexpr int64_t kLongestDocument = int64_t{256} << 20;

struct LabelledDocument {
  std::string id;                    // unique in its split
  std::string text;                  // valid UTF-8 and not empty
  std::optional<std::string> label;  // nothing where it is to be predicted
  std::string where;                 // "FILE:LINE", or the file, for messages

  bool operator==(const LabelledDocument&) const = default;
};

// An id or a label as messages show it: as it is where it is a word of ASCII, else escaped.
std::string shown(const std::string& name);

// Whether the text has nothing but white space.
bool is_blank(const std::string& text);

// Throws Error "WHERE: ..." unless the text has something but white space.
void check_document(const LabelledDocument& document);

}  // namespace lf
