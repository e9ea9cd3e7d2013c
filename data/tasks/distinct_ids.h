// Ids of documents and records, each of which may stand once.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {

// Throws Error naming both places when two records have one id. A record has its `id`, and in `where` its
// place.
template <class Record>
void check_distinct_ids(const std::vector<Record>& records) {
  std::unordered_map<std::string_view, const Record*> seen;
  for (const Record& record : records) {
    const auto [found, added] = seen.emplace(record.id, &record);
    CHECK(added, record.where, ": the id ", escaped(record.id), " is given twice; ", found->second->where,
          " has it too");
  }
}

}  // namespace lf
