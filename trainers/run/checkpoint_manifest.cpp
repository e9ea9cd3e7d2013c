// Writing, checking and reading manifests; see checkpoint_manifest.h.
#include "trainers/run/checkpoint_manifest.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "core/check.h"
#include "core/hash.h"
#include "core/json.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "longform checkpoint";
constexpr int kVersion = 1;
constexpr const char* kNotFinite = "not_finite";

// Begins the last line of every manifest.
constexpr std::string_view kHashKey = ",\n \"manifest_xxh3_128\": \"";
constexpr std::string_view kEnd = "\"\n}\n";
constexpr size_t kHashDigits = 32;

std::string hash_of(std::string_view content) {
  return content_hash({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
}

// Replaces every number that is not finite by an object that says so.
ordered_json encoded(const ordered_json& value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    ordered_json word = ordered_json::object();
    word[kNotFinite] = std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
    return word;
  }
  if (!value.is_structured()) return value;
  ordered_json result = value;
  for (auto& entry : result) entry = encoded(entry);
  return result;
}

ordered_json decoded(const ordered_json& value) {
  if (!value.is_structured()) return value;
  if (value.is_object() && value.size() == 1 && value.contains(kNotFinite)) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const std::string word = value.at(kNotFinite);
    return word == "nan" ? std::numeric_limits<double>::quiet_NaN() : word == "inf" ? kInfinity : -kInfinity;
  }
  ordered_json result = value;
  for (auto& entry : result) entry = decoded(entry);
  return result;
}

ordered_json to_json(const Manifest::File& file) {
  ordered_json tensors = ordered_json::array();
  for (const auto& [name, hash] : file.tensors) tensors.push_back(ordered_json::array({name, hash}));
  return {{"name", file.name}, {"bytes", file.bytes}, {"xxh3_128", file.hash}, {"tensors", tensors}};
}

Manifest::File parse_file(const ordered_json& entry) {
  Manifest::File file;
  entry.at("name").get_to(file.name);
  entry.at("bytes").get_to(file.bytes);
  entry.at("xxh3_128").get_to(file.hash);
  CHECK(is_plain_file_name(file.name), "a file called ", entry.at("name"), " cannot be in a checkpoint");
  for (const auto& tensor : entry.at("tensors")) {
    file.tensors.push_back({tensor.at(0).get<std::string>(), tensor.at(1).get<std::string>()});
  }
  return file;
}

// The part that the last line's hash covers, which must agree with it.
std::string_view verified_part(std::string_view content, const std::string& path) {
  const size_t tail = kHashKey.size() + kHashDigits + kEnd.size();
  CHECK(content.size() > tail && content.ends_with(kEnd) &&
            content.substr(content.size() - tail, kHashKey.size()) == kHashKey,
        path, " is damaged: it does not end with its hash (truncated or edited?)");
  const std::string_view part = content.substr(0, content.size() - tail);
  CHECK(content.substr(part.size() + kHashKey.size(), kHashDigits) == hash_of(part), path,
        " is damaged: its content does not have the hash that its last line gives");
  return part;
}

}  // namespace

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find_first_of(std::string("/\0", 2)) == name.npos;
}

std::string manifest_text(const Manifest& manifest) {
  ordered_json files = ordered_json::array();
  for (const Manifest::File& file : manifest.files) files.push_back(to_json(file));
  const ordered_json document = {{"format", kFormat},
                                 {"version", kVersion},
                                 {"step", manifest.step},
                                 {"state", encoded(manifest.state)},
                                 {"files", files}};
  std::string content;
  try {
    content = document.dump(1);
  } catch (const ordered_json::exception& error) {
    throw Error(text("checkpoint state: ", error.what()));
  }
  content.resize(content.size() - 2);  // its closing "\n}" comes after the hash
  return content + std::string(kHashKey) + hash_of(content) + std::string(kEnd);
}

Manifest parse_manifest(const std::string& content, const std::string& path) {
  const std::string_view part = verified_part(content, path);
  try {
    const ordered_json document = parse_ordered_json(std::string(part) + "}", "its text");
    CHECK(document.at("format") == kFormat, "its format is ", document.at("format"));
    CHECK(document.at("version") == kVersion, "it has version ", document.at("version"),
          ", this program reads version ", kVersion);
    Manifest manifest = {document.at("step").get<int64_t>(), {}, decoded(document.at("state"))};
    for (const auto& file : document.at("files")) manifest.files.push_back(parse_file(file));
    return manifest;
  } catch (const std::exception& error) {
    throw Error(text(path, " is not a manifest that this program can read: ", error.what()));
  }
}

}  // namespace lf
