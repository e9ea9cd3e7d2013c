// What a user can say about the data of a classification task.
#pragma once

#include <string>
#include <vector>

namespace lf {

// records: JSON lines or a table; imdb, hyperpartisan: the official files.
enum class ClassificationCorpus { records, imdb, hyperpartisan };
// What becomes of documents that are in two splits: all stay, or those of the split that is less for testing
// go (see drop_leaks).
enum class Leaks { report, drop };

inline std::vector<std::string> names_of(ClassificationCorpus) {
  return {"records", "imdb", "hyperpartisan"};
}
inline std::vector<std::string> names_of(Leaks) { return {"report", "drop"}; }

}  // namespace lf
