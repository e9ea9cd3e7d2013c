// Entities and what they are compared with, from two files: for each text those of a reference and those of a
// prediction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/entities.h"
#include "data/tasks/tagged_columns.h"

namespace lf {

struct EntityPair {
  std::string id;
  std::vector<Entity> reference, prediction;
};

// The texts in the reference's order. Files are columns of words and tags, or records (.jsonl) {"id",
// "tokens", "tags"} or {"id", "text", "entities"}, whose "text" a prediction need not have; see
// read_tagged_columns() and read_tagged_records(). Records are matched by id, whatever the prediction's
// order; where one file has columns, texts are matched by their order. Throws Error with file and line for
// what the readers refuse, for an id that a file has twice or the other file has not, for files of unequal
// numbers of texts, and for texts of other words: nothing is left out.
std::vector<EntityPair> read_entity_pairs(const std::string& reference,
                                          const TaggedColumns& reference_columns,
                                          const std::string& prediction,
                                          const TaggedColumns& prediction_columns);

}  // namespace lf
