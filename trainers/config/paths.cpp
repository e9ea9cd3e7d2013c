#include "trainers/config/paths.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "core/check.h"
#include "core/file_paths.h"
#include "trainers/config/marked_fields.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

void make_absolute(std::string& path) {
  if (path.empty()) return;
  path = fs::absolute(path).lexically_normal().string();
}

// Calls `change` with every path that is given and its key; data.path may be a word instead.
template <class F>
void change_paths(RunConfig& config, F&& change) {
  for_each_path(config, [&](const std::string& key, std::string& path, FieldMark) {
    if (key != "data.path" || path != "sample") change(key, path);
  });
}

}  // namespace

void make_paths_absolute(RunConfig& config) {
  change_paths(config, [](const std::string&, std::string& path) { make_absolute(path); });
}

void find_paths(const std::string& file, const Node* root, RunConfig& config) {
  change_paths(config, [&](const std::string& key, std::string& path) {
    std::error_code error;
    if (path.empty() || fs::path(path).is_absolute()) return;
    const Place stated = root ? place_of(*root, key) : Place{file, 1};
    const bool is_file = stated.line > 0;
    if (!is_file && fs::exists(path, error)) return;
    const fs::path folder = fs::path(is_file ? stated.source : file).parent_path();
    const fs::path beside = (folder / path).lexically_normal();
    if (fs::exists(beside, error)) path = beside.string();
  });
}

std::vector<std::pair<std::string, std::string>> data_paths(const RunConfig& config) {
  std::vector<std::pair<std::string, std::string>> result;
  for_each_path(config, [&](const std::string& key, const std::string& path, FieldMark mark) {
    if (mark == FieldMark::data_path) result.emplace_back(key, path);
  });
  return result;
}

void check_data_paths(const RunConfig& config) {
  for (const auto& [key, path] : data_paths(config)) {
    const std::string words = absence(path);
    CHECK(words.empty(), key, ": ", words);
  }
}

std::string data_words(const RunConfig& config) {
  std::string words;
  for (const auto& [key, path] : data_paths(config))
    words += text(words.empty() ? "" : " or ", key, ' ', path);
  return words;
}

}  // namespace lf
