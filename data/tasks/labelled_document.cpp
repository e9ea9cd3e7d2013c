#include "data/tasks/labelled_document.h"

#include "core/check.h"
#include "core/json.h"

namespace lf {

void check_document(const LabelledDocument& document) {
  const bool empty = document.text.find_first_not_of(" \t\r\n\f\v") == std::string::npos;
  CHECK(!empty, document.where, ": document ", escaped(document.id), " has no text");
}

}  // namespace lf
