// For tests of classification data: files of a few documents.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/classification.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {

inline std::vector<std::string> ids_of(const std::vector<LabelledDocument>& documents) {
  std::vector<std::string> ids;
  for (const LabelledDocument& document : documents) ids.push_back(document.id);
  return ids;
}

inline LabelledDocument document(const std::string& id, const std::string& content,
                                 const std::string& label) {
  return {.id = id, .text = content, .label = label, .where = "file:" + id};
}

}  // namespace lf
