// For tests of summaries: pairs in short, and what names many of them.
#pragma once

#include <string>
#include <vector>

#include "core/hash.h"
#include "data/tasks/summaries.h"
#include "tests/data/archive_input.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {

using SummaryPairs = std::vector<SummaryPair>;

inline std::vector<std::string> ids_of(const SummaryPairs& pairs) {
  std::vector<std::string> ids;
  for (const SummaryPair& pair : pairs) ids.push_back(pair.id);
  return ids;
}

// The SHA-256 of ids, sources and targets, each with a line end.
inline std::string sha256_of(const SummaryPairs& pairs) {
  std::string all;
  for (const SummaryPair& pair : pairs) all += pair.id + "\n" + pair.source + "\n" + pair.target + "\n";
  return digest(Digest::kSha256, {reinterpret_cast<const uint8_t*>(all.data()), all.size()});
}

// Reads what gives no warning.
inline SummaryPairs read_quietly(const std::string& path, const SummaryOptions& options = {}) {
  std::vector<std::string> warnings;
  SummaryPairs pairs = read_summaries(path, options, warnings);
  EXPECT_EQ(warnings, std::vector<std::string>()) << path;
  return pairs;
}

// The warnings of reading a path.
inline std::vector<std::string> warnings_of(const std::string& path, const SummaryOptions& options = {}) {
  std::vector<std::string> warnings;
  read_summaries(path, options, warnings);
  return warnings;
}

}  // namespace lf
