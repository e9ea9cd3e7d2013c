// What the JSON must hold; see weights_index.h.
#include "core/weights/weights_index.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/json.h"

namespace lf {
namespace {

using nlohmann::json;

// A file of the index's own folder: a path could lead anywhere.
std::string file_name(const std::string& stated, const std::string& who) {
  const std::string name = std::filesystem::path(stated).lexically_normal().string();  // ./name is name
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
                     name.find('\\') == name.npos && name.find('\0') == name.npos;
  CHECK(plain, who, ": ", escaped(stated), " is not the name of a file beside the index");
  return name;
}

// Information only, so that what is no size is none.
std::optional<int64_t> total_size(const json& document) {
  const auto metadata = document.find("metadata");
  if (metadata == document.end() || !metadata->is_object()) return std::nullopt;
  const auto size = metadata->find("total_size");
  if (size == metadata->end() || !size->is_number()) return std::nullopt;
  constexpr double kLargest = 9e15;  // below it every whole number is a double, as some writers give it
  const double value = size->get<double>();
  const bool is_size = value >= 0 && value < kLargest && value == std::floor(value);
  return is_size ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
}

}  // namespace

WeightsIndex parse_weights_index(std::string content, const std::string& path) {
  const json document = parse_json_of_python(std::move(content), path);
  CHECK(document.is_object() && document.contains("weight_map") && document["weight_map"].is_object(), path,
        ": needed an object with the object weight_map");
  WeightsIndex index;
  std::set<std::string> files;
  for (const auto& [tensor, file] : document["weight_map"].items()) {
    const std::string who = text(path, ": tensor ", escaped(tensor));
    CHECK(file.is_string(), who, ": the name of its file must be a text");
    files.insert(index.file_of[tensor] = file_name(file.get<std::string>(), who));
  }
  CHECK(!index.file_of.empty(), path, ": weight_map is empty");
  index.files.assign(files.begin(), files.end());
  index.total_size = total_size(document);
  return index;
}

}  // namespace lf
