#include "data/records.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/file_kinds.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/word_list.h"

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
          ": global names a position twice; it takes the positions of global tokens, not a flag for each "
          "token");
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

Record parse(JsonLine line, const std::string& path) {
  const int64_t number = line.number;
  JsonRecord parsed = parse_json_record(std::move(line), path, "a record with text or ids");
  json& object = parsed.object;
  Record record;
  record.where = parsed.where;
  record.id = record_id_or_line(parsed, number);
  const bool has_tokens =
      object.contains("tokens") && object["tokens"].is_array();  // or it is the user's own
  const int forms = object.contains("text") + has_tokens + object.contains("ids");
  CHECK(forms > 0, record.where, ": no \"text\", \"tokens\" or \"ids\"");
  CHECK(forms == 1, record.where, ": more than one of text, tokens and ids");
  if (object.contains("ids")) {
    read_ids(record, object);
    return record;
  }
  CHECK(!object.contains("mask") && !object.contains("labels") && !object.contains("global"), record.where,
        ": mask, global and labels belong to ids, not to text");
  if (has_tokens) {
    JoinedWords joined = joined_words(tokens_of_record(parsed));
    record.text = std::move(joined.text);
    record.words = std::move(joined.words);
    return record;
  }
  CHECK(object["text"].is_string(), record.where, ": text is no string");
  record.text = std::move(object["text"].get_ref<std::string&>());
  return record;
}

}  // namespace

std::vector<Record> read_records(const std::string& path) {
  const std::string name = unpacked_name(path);
  CHECK(!has_ending(name, ".csv") && !has_ending(name, ".tsv"), path,
        ": a table; records are JSON lines, {\"id\": ..., \"text\": ...}");
  JsonLines lines(path);
  std::vector<Record> records;
  std::set<std::string> ids;
  for (JsonLine line; lines.next_record(line);) {
    records.push_back(parse(std::move(line), path));
    CHECK(ids.insert(records.back().id).second, records.back().where, ": id ", records.back().id,
          " is used twice");
  }
  CHECK(!records.empty(), path, " holds no record");
  return records;
}

}  // namespace lf
