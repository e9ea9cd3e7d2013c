// For tests of corpora: short requests, text of letters and zip archives.
#pragma once

#include <zip.h>

#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "data/characters/corpus.h"

namespace lf {

inline CorpusRequest request(const std::string& source, CorpusKind kind, const std::string& folder) {
  return {.source = source, .kind = kind, .folder = folder};
}

inline void write_zip(const std::string& path,
                      const std::vector<std::pair<std::string, std::string>>& members) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  CHECK(archive, "cannot write ", path);
  for (const auto& [name, content] : members) {
    if (name.back() == '/') {
      zip_dir_add(archive, name.c_str(), 0);
    } else {
      zip_file_add(archive, name.c_str(), zip_source_buffer(archive, content.data(), content.size(), 0), 0);
    }
  }
  CHECK(zip_close(archive) == 0, "cannot write ", path);
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
