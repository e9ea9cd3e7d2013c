#include "data/tasks/classification_records.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/json.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/record_table.h"
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

std::vector<LabelledDocument> read_rows_of(const std::string& path, const RecordColumns& columns,
                                           Labels labels) {
  const auto choose = [&](const TableHeader& header) {
    const std::optional<size_t> id = header.find(columns.id);
    const size_t words = header.at(columns.text);
    const std::optional<size_t> label = header.find(columns.label);
    CHECK(label || labels == Labels::kIgnored, header.where, ": no column ", escaped(columns.label),
          ", needed the documents' labels");
    return TableColumns{.places = {words, id, label}, .texts = 1};
  };
  std::vector<LabelledDocument> documents;
  for (TableRecord& record : read_table(path, columns.names, choose)) {
    LabelledDocument& document = documents.emplace_back();
    document.text = std::move(record.fields[0].value());
    document.id = record.fields[1] ? std::move(*record.fields[1]) : std::to_string(record.line);
    if (labels == Labels::kRequired) document.label = std::move(record.fields[2]);
    document.where = std::move(record.where);
  }
  return documents;
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
  if (has_ending(name, ".csv") || has_ending(name, ".tsv")) return read_rows_of(path, columns, labels);
  CHECK(
      has_ending(name, ".txt"), path,
      ": not a name of records, needed .jsonl, .csv, .tsv or .txt, or one of them with .gz, .zip or .tar.gz "
      "behind it");
  CHECK(labels == Labels::kIgnored, path, ": a text has no label, needed .jsonl, .csv or .tsv");
  return read_text(path);
}

}  // namespace

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
