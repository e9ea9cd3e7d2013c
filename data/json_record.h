// A line of JSON as a record.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "data/json_lines.h"

namespace lf {

// One line as an object, by the rules of parse_json_of_python; "PATH:LINE" is `where` of its messages.
struct JsonRecord {
  nlohmann::json object;
  std::string where;
};
// The line is used up. `needed` says what kind of object: "a record {\"id\", \"text\"}".
JsonRecord parse_json_record(JsonLine line, const std::string& path, const std::string& needed);

// What a record is called: its "id", or what stands under another key, a text or a whole number.
nlohmann::json record_id(const JsonRecord& record, const std::string& key = "id");
// The same as a text: 7 and "7" are one.
std::string record_id_text(const JsonRecord& record, const std::string& key = "id");
// The text of its "id" or, where it has none, the line's number.
std::string record_id_or_line(const JsonRecord& record, int64_t line);

}  // namespace lf
