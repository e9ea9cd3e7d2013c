// For tests of corpora: short requests and text of letters.
#pragma once

#include <string>

#include "data/characters/corpus.h"

namespace lf {

inline CorpusRequest request(const std::string& source, CorpusKind kind, const std::string& folder) {
  return {.source = source, .kind = kind, .folder = folder};
}

// Text that does not compress away, of the letters a-z and space.
inline std::string letters(size_t count) {
  std::string content;
  uint32_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    content += " abcdefghijklmnopqrstuvwxyz"[(state >> 16) % 27];
  }
  return content;
}

}  // namespace lf
