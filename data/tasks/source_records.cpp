#include "data/tasks/source_records.h"

#include <filesystem>
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
  if (path == "-") return true;  // read once
  if (std::filesystem::is_directory(path)) return false;
  const std::string name = unpacked_name(path);
  if (!has_ending(name, ".jsonl") && !has_ending(name, ".json") && !has_ending(name, ".txt")) {
    for (const char* ending : {".csv", ".tsv", ".story", ".tar", ".tgz", ".zip"})
      if (has_ending(name, ending)) return false;
  }
  JsonLines lines(path);
  for (JsonLine line; lines.next(line);) {
    if (line.blank()) continue;
    const nlohmann::json first = nlohmann::json::parse(line.text, nullptr, false);
    return !first.is_object() || first.contains("text") || first.contains("ids") ||
           !(first.contains("source") || first.contains("article_text") || first.contains("article") ||
             first.contains("document"));
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
