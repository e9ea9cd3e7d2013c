#include "data/tasks/labelled_document.h"

#include <algorithm>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {

std::string shown(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  return plain && !name.empty() && name.size() <= 60 ? name : escaped(name);
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string::npos; }

void check_document(const LabelledDocument& document) {
  CHECK(!is_blank(document.text), document.where, ": document ", escaped(document.id), " has no text");
}

}  // namespace lf
