// The manifest of a checkpoint: JSON whose last line is the hash of all that stands before it, so that no
// byte of it can change unnoticed either.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lf {

inline constexpr const char* kManifestName = "manifest.json";

struct Manifest {
  struct TensorHash {
    std::string name, hash;
  };
  struct File {
    std::string name;
    int64_t bytes = 0;
    std::string hash;                 // XXH3-128
    std::vector<TensorHash> tensors;  // of each tensor's bytes, to name the one that is damaged
  };
  int64_t step = 0;
  std::vector<File> files;
  nlohmann::ordered_json state;
};

// The manifest's text. Numbers that JSON lacks are written as {"not_finite": "nan" | "inf" | "-inf"}.
std::string manifest_text(const Manifest& manifest);

// Reads it back; throws Error naming the path when it is damaged, cut off or of an unknown version.
Manifest parse_manifest(const std::string& content, const std::string& path);

// A file's name that stays inside its folder: no separators, not hidden.
bool is_plain_file_name(const std::string& name);

}  // namespace lf
