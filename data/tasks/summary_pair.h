// A text and its summary, as every reader gives them.
#pragma once

#include <string>

namespace lf {

// Whether every text must have a summary. With kOptional it is taken where there is one.
enum class Targets { kRequired, kOptional };

struct SummaryPair {
  std::string id;      // unique in what is read at once
  std::string source;  // valid UTF-8 and not empty
  std::string target;  // the same; empty where there is none
  std::string where;   // "FILE:LINE", or the file, for messages
  bool has_target = false;

  bool operator==(const SummaryPair&) const = default;
};

}  // namespace lf
