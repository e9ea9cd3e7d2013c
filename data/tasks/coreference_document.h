// A document and which of its mentions are of one entity.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace lf {

// The words [begin, end) of a document.
struct Mention {
  int64_t begin = 0, end = 0;

  std::strong_ordering operator<=>(const Mention&) const = default;
  bool operator==(const Mention&) const = default;
};

// The mentions of one entity, each once; one alone is a singleton.
using Cluster = std::vector<Mention>;

struct CoreferenceDocument {
  std::string id;     // unique in its file
  std::string where;  // "FILE:LINE", for messages
  std::vector<std::vector<std::string>> sentences;
  std::vector<Cluster> clusters;

  int64_t words() const;
};

}  // namespace lf
