#include "data/tasks/classification_records.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/json.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tasks/delimited_rows.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

using nlohmann::json;

// A value of a JSON record that is to be a text.
std::string text_of(const JsonRecord& record, const json& value, const std::string& key) {
  if (value.is_string()) return value.get<std::string>();
  const bool is_nan = value.is_number_float() && std::isnan(value.get<double>());
  CHECK(value.is_number_integer() || value.is_boolean(), record.where, ": \"", key, "\" is ",
        is_nan ? "NaN" : value.dump().substr(0, 40), ", needed a text, a whole number, true or false");
  return value.dump();
}

LabelledDocument document_of(const JsonRecord& record, int64_t line, const RecordColumns& columns,
                             Labels labels) {
  LabelledDocument document;
  document.where = record.where;
  const auto find = [&](const std::string& key) { return record.object.find(key); };
  const auto id = find(columns.id), words = find(columns.text), label = find(columns.label);
  document.id = id == record.object.end() ? std::to_string(line) : text_of(record, *id, columns.id);
  CHECK(words != record.object.end(), record.where, ": no \"", columns.text, "\", needed a record with ",
        columns.text, labels == Labels::kRequired ? " and " + columns.label : "");
  CHECK(words->is_string(), record.where, ": \"", columns.text, "\" is a JSON ", words->type_name(),
        ", needed a text");
  document.text = words->get<std::string>();
  if (labels == Labels::kRequired) {
    CHECK(label != record.object.end(), record.where, ": no \"", columns.label,
          "\", needed the document's label");
    document.label = text_of(record, *label, columns.label);
  }
  return document;
}

std::vector<LabelledDocument> read_json(const std::string& path, const RecordColumns& columns,
                                        Labels labels) {
  std::vector<LabelledDocument> documents;
  JsonLines lines(path);
  for (JsonLine line; lines.next_record(line);) {
    const int64_t number = line.number;
    const JsonRecord record = parse_json_record(std::move(line), path, "a record with " + columns.text);
    documents.push_back(document_of(record, number, columns, labels));
  }
  return documents;
}

// Which fields of a row are which; npos where there is no such column.
struct Places {
  size_t id, text, label, count;
};

Places find_columns(const std::vector<std::string>& names, const RecordColumns& columns,
                    const std::string& where) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + escaped(name);
  const auto find = [&](const std::string& name, bool needed) {
    const auto found = std::find(names.begin(), names.end(), name);
    CHECK(found != names.end() || !needed, where, ": no column ", escaped(name), "; there is ", list);
    CHECK(found == names.end() || std::find(found + 1, names.end(), name) == names.end(), where,
          ": two columns are called ", escaped(name));
    return found == names.end() ? std::string::npos : static_cast<size_t>(found - names.begin());
  };
  return {.id = find(columns.id, false),
          .text = find(columns.text, true),
          .label = find(columns.label, false),
          .count = names.size()};
}

std::vector<LabelledDocument> read_rows(const std::string& path, Delimiter delimiter, Marks marks,
                                        const RecordColumns& columns, Labels labels) {
  DelimitedRows rows(path, delimiter, marks);
  std::vector<std::string> fields = columns.names;
  if (fields.empty()) CHECK(rows.next(fields), path, ": an empty file, needed a row that names the columns");
  const std::string header = columns.names.empty() ? text(path, ":1") : path;
  const Places places = find_columns(fields, columns, header);
  CHECK(places.label != std::string::npos || labels == Labels::kIgnored, header, ": no column ",
        escaped(columns.label), ", needed the documents' labels");
  std::vector<LabelledDocument> documents;
  while (rows.next(fields)) {
    if (fields.size() == 1 && fields[0].empty() && places.count > 1) continue;  // a blank line
    CHECK(fields.size() == places.count, rows.where(), ": ", fields.size(), " fields, needed ", places.count,
          " as ", columns.names.empty() ? "the header has" : "columns are named");
    LabelledDocument& document = documents.emplace_back();
    document.where = rows.where();
    document.id = places.id == std::string::npos ? std::to_string(rows.line()) : std::move(fields[places.id]);
    document.text = std::move(fields[places.text]);
    if (labels == Labels::kRequired) document.label = std::move(fields[places.label]);
  }
  return documents;
}

// Whether a writer of CSV may have put the field in quotation marks: it does so where there are marks within,
// and doubles those.
bool looks_quoted(std::string_view field) {
  if (field.size() < 4 || !field.starts_with('"') || !field.ends_with('"')) return false;
  field = field.substr(1, field.size() - 2);
  size_t pairs = 0;
  for (size_t at = 0; (at = field.find('"', at)) != field.npos; at += 2, ++pairs) {
    if (at + 1 == field.size() || field[at + 1] != '"') return false;
  }
  return pairs > 0;
}

// As it stands, for most writers know no quotation; as writers of CSV would have it where a text, or a row
// that does not fit, shows that one of those wrote it.
std::vector<LabelledDocument> read_tsv(const std::string& path, const RecordColumns& columns, Labels labels) {
  const auto read = [&](Marks marks) { return read_rows(path, Delimiter::kTab, marks, columns, labels); };
  std::vector<LabelledDocument> documents;
  std::string misfit;
  try {
    documents = read(Marks::kAreText);
    const auto quoted =
        std::find_if(documents.begin(), documents.end(),
                     [](const LabelledDocument& document) { return looks_quoted(document.text); });
    if (quoted == documents.end()) return documents;
    misfit = quoted->where + ": the text is in quotation marks as writers of CSV put them";
  } catch (const Error& error) {
    misfit = error.what();
  }
  try {
    return read(Marks::kQuote);
  } catch (const Error& error) {
    throw Error(misfit == error.what() ? misfit : misfit + "; read as a CSV with tabs: " + error.what());
  }
}

std::vector<LabelledDocument> read_text(const std::string& path) {
  ByteSource source(path);
  LabelledDocument document;
  document.id = std::filesystem::path(unpacked_name(path)).stem().string();
  document.where = path;
  document.text = source.read_rest(kLongestDocument + 1);
  CHECK(std::ssize(document.text) <= kLongestDocument, path, ": longer than ", kLongestDocument >> 20,
        " MiB, the longest document that is read");
  const size_t valid = first_invalid_utf8(document.text);
  const auto line =
      1 + std::count(document.text.begin(), document.text.begin() + static_cast<int64_t>(valid), '\n');
  CHECK(valid == document.text.size(), path, ':', line, ": not valid UTF-8");
  return {document};
}

std::vector<LabelledDocument> read_any(const std::string& path, const RecordColumns& columns, Labels labels) {
  const std::string name = unpacked_name(path);
  if (has_ending(name, ".jsonl")) return read_json(path, columns, labels);
  if (has_ending(name, ".csv")) return read_rows(path, Delimiter::kComma, Marks::kQuote, columns, labels);
  if (has_ending(name, ".tsv")) return read_tsv(path, columns, labels);
  CHECK(
      has_ending(name, ".txt"), path,
      ": not a name of records, needed .jsonl, .csv, .tsv or .txt, or one of them with .gz, .zip or .tar.gz "
      "behind it");
  CHECK(labels == Labels::kIgnored, path, ": a text has no label, needed .jsonl, .csv or .tsv");
  return read_text(path);
}

}  // namespace

void check_distinct_ids(const std::vector<LabelledDocument>& documents) {
  std::unordered_map<std::string_view, const LabelledDocument*> seen;
  for (const LabelledDocument& document : documents) {
    const auto [found, added] = seen.emplace(document.id, &document);
    CHECK(added, document.where, ": the id ", escaped(document.id), " is given twice; ", found->second->where,
          " has it too");
  }
}

std::vector<LabelledDocument> read_labelled_records(const std::string& path, const RecordColumns& columns,
                                                    Labels labels) {
  std::vector<LabelledDocument> documents = read_any(path, columns, labels);
  CHECK(!documents.empty(), path, ": no records");
  for (const LabelledDocument& document : documents) {
    check_document(document);
    CHECK(!document.label || !document.label->empty(), document.where, ": document ", escaped(document.id),
          " has an empty label");
  }
  check_distinct_ids(documents);
  return documents;
}

}  // namespace lf
