#include "data/output_folder.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "core/json.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

// The SHA-256 of what the described corpus was made of; nothing where the description cannot be read.
std::vector<std::string> sources_of(const std::string& description) {
  std::vector<std::string> found;
  try {
    const Json json = parse_ordered_json(read_text_file(description), description);
    if (json.contains("source_sha256")) return {json.at("source_sha256").get<std::string>()};
    for (const Json& source : json.at("sources")) found.push_back(source.at("sha256").get<std::string>());
  } catch (const nlohmann::json::exception&) {
    found.clear();
  } catch (const Error&) {
    found.clear();
  }
  return found;
}

}  // namespace

void check_holds_no_run(const std::string& folder) {
  for (const char* name : {"log.jsonl", "checkpoints"}) {
    if (fs::exists(fs::path(folder) / name))
      throw UsageError(text(folder, " exists already and holds a run (", name, "); name a new folder"));
  }
}

void check_output_folder(const std::string& folder, const std::vector<std::string>& sources_sha256) {
  check_holds_no_run(folder);
  for (const char* name : {"corpus.json", "documents.json"}) {
    const std::string description = (fs::path(folder) / name).string();
    if (!fs::exists(description)) continue;
    const std::vector<std::string> sources = sources_of(description);
    const auto given = [&](const std::string& sha256) {
      return std::find(sources_sha256.begin(), sources_sha256.end(), sha256) != sources_sha256.end();
    };
    if (!sources.empty() && std::none_of(sources.begin(), sources.end(), given)) {
      throw UsageError(text(folder, " exists already and holds a corpus of another source (", name,
                            "); name a new folder, or remove this one"));
    }
  }
}

}  // namespace lf
