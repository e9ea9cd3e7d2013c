#include "data/records.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "data/tokenizer/strict_json.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr int64_t kIgnoredLabel = -100;  // as PyTorch's cross entropy has it

int64_t integer(const json& value, const std::string& where, const char* key, int64_t low, int64_t high) {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(high));
  CHECK(fits && value.get<int64_t>() >= low && value.get<int64_t>() <= high, where, ": ", key, " has ",
        value.dump().substr(0, 40), ", needed an integer from ", low, " to ", high);
  return value.get<int64_t>();
}

// A list of rows; a single row may stand without its outer brackets.
std::vector<json> rows_of(const json& value, const std::string& where, const char* key) {
  CHECK(value.is_array() && !value.empty(), where, ": ", key, " is ", value.dump().substr(0, 40),
        ", needed a list of rows");
  if (!value.front().is_array()) return {value};
  for (const json& row : value) CHECK(row.is_array(), where, ": ", key, " mixes rows and numbers");
  return value.get<std::vector<json>>();
}

// A (rows, length) table under `key`; `record.rows` and `length` must agree.
template <class T>
std::vector<T> table(const Record& record, const json& value, const char* key, int64_t low, int64_t high) {
  const std::vector<json> rows = rows_of(value, record.where, key);
  CHECK(std::ssize(rows) == record.rows, record.where, ": ", key, " has ", rows.size(), " rows, ids ",
        record.rows);
  std::vector<T> result;
  for (size_t r = 0; r < rows.size(); ++r) {
    CHECK(std::ssize(rows[r]) == record.length, record.where, ": row ", r, " of ", key, " has ",
          rows[r].size(), " numbers, needed ", record.length);
    for (const json& number : rows[r]) {
      result.push_back(static_cast<T>(integer(number, record.where, key, low, high)));
    }
  }
  return result;
}

void read_global(Record& record, const json& value) {
  CHECK(value.is_array(), record.where, ": global is ", value.dump().substr(0, 40),
        ", needed lists of positions");
  const bool nested = value.empty() || value.front().is_array();
  const std::vector<json> rows = nested ? value.get<std::vector<json>>() : std::vector<json>{value};
  CHECK(std::ssize(rows) == record.rows, record.where, ": global has ", rows.size(), " rows, ids ",
        record.rows);
  for (const json& row : rows) {
    CHECK(row.is_array(), record.where, ": global mixes rows and numbers");
    std::vector<int64_t> positions;
    for (const json& position : row) {
      positions.push_back(integer(position, record.where, "global", 0, record.length - 1));
    }
    std::sort(positions.begin(), positions.end());
    CHECK(std::adjacent_find(positions.begin(), positions.end()) == positions.end(), record.where,
          ": global names a position twice");
    record.global.push_back(positions);
  }
}

void read_ids(Record& record, const json& object) {
  const std::vector<json> rows = rows_of(object["ids"], record.where, "ids");
  record.rows = std::ssize(rows);
  record.length = std::ssize(rows.front());
  CHECK(record.length > 0, record.where, ": ids has an empty row");
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  record.ids = table<int32_t>(record, object["ids"], "ids", 0, kMost);
  if (object.contains("mask")) record.mask = table<uint8_t>(record, object["mask"], "mask", 0, 1);
  if (object.contains("labels")) {
    record.labels = table<int32_t>(record, object["labels"], "labels", kIgnoredLabel, kMost);
    for (int32_t& label : record.labels) {
      CHECK(label >= 0 || label == kIgnoredLabel, record.where, ": a label is ", label,
            "; nothing to predict is ", kIgnoredLabel);
      label = std::max(label, -1);
    }
  }
  if (object.contains("global")) read_global(record, object["global"]);
}

std::string id_of(const json& object, int64_t line) {
  const auto found = object.find("id");
  if (found == object.end()) return std::to_string(line);
  return found->is_string() ? found->get<std::string>() : found->dump();
}

Record parse(const std::string& text, const std::string& where, int64_t line) {
  const json object = parse_strict_json(text, where);
  CHECK(object.is_object(), where, ": not a JSON object");
  Record record;
  record.where = where;
  record.id = id_of(object, line);
  CHECK(object.contains("text") != object.contains("ids"), where, ": a record has either text or ids");
  if (object.contains("ids")) {
    read_ids(record, object);
    return record;
  }
  CHECK(object["text"].is_string(), where, ": text is no string");
  CHECK(!object.contains("mask") && !object.contains("labels") && !object.contains("global"), where,
        ": mask, global and labels belong to ids, not to text");
  record.text = object["text"].get<std::string>();
  return record;
}

}  // namespace

std::vector<Record> read_records(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw_file_error("open", path, errno);
  std::vector<Record> records;
  std::set<std::string> ids;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    records.push_back(parse(line, text(path, ':', number), number));
    CHECK(ids.insert(records.back().id).second, records.back().where, ": id ", records.back().id,
          " is used twice");
  }
  CHECK(!file.bad(), "cannot read ", path);
  CHECK(!records.empty(), path, " has no records");
  return records;
}

}  // namespace lf
