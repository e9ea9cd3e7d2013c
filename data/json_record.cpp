#include "data/json_record.h"

#include <utility>

#include "core/check.h"
#include "core/json.h"

namespace lf {

JsonRecord parse_json_record(JsonLine line, const std::string& path, const std::string& needed) {
  JsonRecord record;
  record.where = text(path, ':', line.number);
  record.object = parse_json_of_python(std::move(line.text), path, line.number);
  CHECK(record.object.is_object(), record.where, ": a JSON ", record.object.type_name(), ", needed ", needed);
  return record;
}

nlohmann::json record_id(const JsonRecord& record, const std::string& key) {
  const auto id = record.object.find(key);
  CHECK(id != record.object.end(), record.where, ": no ", key, ", needed a text or a whole number");
  CHECK(id->is_string() || id->is_number_integer(), record.where, ": ", key,
        " must be a text or a whole number, not ", id->type_name());
  return *id;
}

std::string record_id_text(const JsonRecord& record, const std::string& key) {
  const nlohmann::json id = record_id(record, key);
  return id.is_string() ? id.get<std::string>() : id.dump();
}

std::string record_id_or_line(const JsonRecord& record, int64_t line) {
  return record.object.contains("id") ? record_id_text(record) : std::to_string(line);
}

}  // namespace lf
