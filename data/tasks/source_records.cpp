#include "data/tasks/source_records.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/file_kinds.h"
#include "data/json_lines.h"
#include "data/tasks/summaries.h"

namespace lf {
namespace {

// Whether the file begins with a record that read_records() knows, or with something that no reader knows:
// then it is to say so.
bool has_plain_records(const std::string& path) {
  if (std::filesystem::is_directory(path)) return false;
  if (!std::filesystem::is_regular_file(path)) return true;  // standard input, a pipe: read once
  const std::string name = unpacked_name(path);
  for (const char* ending : {".csv", ".tsv", ".story", ".tar", ".tgz", ".zip"})
    if (has_ending(name, ending)) return false;
  JsonLines lines(path);
  for (JsonLine line; lines.next(line);) {
    if (line.blank()) continue;
    const nlohmann::json first = nlohmann::json::parse(line.text, nullptr, false);
    const auto has = [&](std::initializer_list<const char*> keys) {
      return std::ranges::any_of(keys, [&](const char* key) { return first.contains(key); });
    };
    // Positions of global tokens and the like are of records, where they are taken or refused.
    return !first.is_object() || has({"text", "ids", "mask", "global"}) ||
           !has({"source", "article_text", "article", "document"});
  }
  return true;
}

}  // namespace

std::vector<Record> read_source_records(const std::string& path, std::vector<std::string>& warnings) {
  if (has_plain_records(path)) return read_records(path);
  SummaryOptions options;
  options.targets = Targets::kOptional;
  std::vector<Record> records;
  for (SummaryPair& pair : read_summaries(path, options, warnings)) {
    Record& record = records.emplace_back();
    record.id = std::move(pair.id);
    record.where = std::move(pair.where);
    record.text = std::move(pair.source);
  }
  return records;
}

}  // namespace lf
