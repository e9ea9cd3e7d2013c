// Lines of the shared tasks of CoNLL: documents between marks, words in columns.
#pragma once

#include <string_view>
#include <vector>

namespace lf {

inline constexpr std::string_view kDocumentBegin = "#begin document", kDocumentEnd = "#end document";

// Without the blanks and tabs at both ends.
std::string_view trimmed(std::string_view text);

// What stands between runs of blanks and tabs.
std::vector<std::string_view> split_at_blanks(std::string_view row);
// What stands between separators, empty ones too.
std::vector<std::string_view> split_at(std::string_view row, std::string_view separator);

}  // namespace lf
