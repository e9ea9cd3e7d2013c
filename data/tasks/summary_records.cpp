#include "data/tasks/summary_records.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/format.h"
#include "data/byte_source.h"
#include "data/first_names.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tasks/record_table.h"

namespace lf {
namespace {

using nlohmann::json;

// What a file's records call source and target; of several names for the target a record has one.
struct PairLayout {
  std::string id = "id", source;
  std::vector<std::string> targets;
  bool sentences = false;  // texts are lists of them, and the id is needed
};

const std::vector<PairLayout>& known_layouts() {
  static const std::vector<PairLayout> layouts = {
      {.source = "source", .targets = {"target"}},
      {.source = "document", .targets = {"summary"}},
      {.source = "article", .targets = {"abstract", "highlights"}},
      {.source = "text", .targets = {"summary"}},
      {.id = "article_id", .source = "article_text", .targets = {"abstract_text"}, .sentences = true}};
  return layouts;
}

std::string target_names(const PairLayout& layout) {
  std::string names;
  for (const std::string& target : layout.targets) names += (names.empty() ? "" : " or ") + escaped(target);
  return names;
}

std::string pair_names(const PairLayout& layout) {
  return escaped(layout.source) + " and " + target_names(layout);
}

// What the keys of a record or the columns of a table are called.
struct Names {
  std::vector<std::string> names;
  std::string where;
  bool table = false;

  bool has(const std::string& name) const {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  std::string list() const {
    FirstNames first;
    for (const std::string& name : names) first.add(escaped(name));
    return names.empty() ? "none" : first.list();
  }
};

Names keys_of(const JsonRecord& record) {
  Names names = {.names = {}, .where = record.where};
  for (const auto& entry : record.object.items()) names.names.push_back(entry.key());
  return names;
}

PairLayout layout_of(const Names& names, const SummaryKeys& keys) {
  if (!keys.source.empty()) {
    PairLayout named = {.id = keys.id, .source = keys.source, .targets = {}};
    if (!keys.target.empty()) named.targets.push_back(keys.target);
    return named;
  }
  std::vector<PairLayout> whole, sources;
  std::vector<std::string> known;
  for (const PairLayout& layout : known_layouts()) {
    if (layout.sentences && names.table) continue;
    known.push_back(pair_names(layout));
    if (!names.has(layout.source)) continue;
    sources.push_back(layout);
    if (std::any_of(layout.targets.begin(), layout.targets.end(),
                    [&](const std::string& target) { return names.has(target); }))
      whole.push_back(layout);
  }
  const std::vector<PairLayout>& found = whole.empty() ? sources : whole;
  CHECK(!found.empty(), names.where, ": no known names of source and target; there is ", names.list(),
        ", needed ", joined(known));
  CHECK(found.size() == 1, names.where, ": names of several layouts, ", pair_names(found[0]), ", ",
        pair_names(found[1]), "; the keys of source and target must be given");
  PairLayout layout = found[0];
  if (!layout.sentences) layout.id = keys.id;
  return layout;
}

// Which of the layout's targets is there; nothing for none that is required.
std::optional<std::string> target_of(const PairLayout& layout, const Names& names, Targets targets) {
  std::optional<std::string> found;
  for (const std::string& target : layout.targets) {
    if (!names.has(target)) continue;
    CHECK(!found, names.where, ": both ", escaped(*found), " and ", escaped(target),
          "; the keys of source and target must be given");
    found = target;
  }
  CHECK(found || targets == Targets::kOptional, names.where, ": no ", target_names(layout), ", needed ",
        names.table ? "the column" : "it", " beside ", escaped(layout.source));
  return found;
}

void erase_all(std::string& text, std::string_view word) {
  size_t to = 0;
  for (size_t from = 0; from < text.size();) {
    if (std::string_view(text).substr(from, word.size()) == word) {
      from += word.size();
    } else {
      text[to++] = text[from++];
    }
  }
  text.resize(to);
}

// A list of sentences, with line ends between them.
std::string sentences_of(const JsonRecord& record, json& value, const std::string& key) {
  CHECK(value.is_array(), record.where, ": ", escaped(key), " is a JSON ", value.type_name(),
        ", needed a list of sentences");
  std::string all;
  for (size_t i = 0; i < value.size(); ++i) {
    CHECK(value[i].is_string(), record.where, ": entry ", i + 1, " of ", escaped(key), " is a JSON ",
          value[i].type_name(), ", needed a sentence");
    all += (i > 0 ? "\n" : "") + value[i].get_ref<const std::string&>();
  }
  return all;
}

std::string text_under(JsonRecord& record, const std::string& key, bool sentences) {
  json& value = record.object[key];
  if (sentences) return sentences_of(record, value, key);
  CHECK(value.is_string(), record.where, ": ", escaped(key), " is a JSON ", value.type_name(),
        ", needed a text");
  return std::move(value.get_ref<std::string&>());
}

SummaryPair pair_of(JsonRecord& record, int64_t line, const PairLayout& layout, Targets targets) {
  SummaryPair pair;
  pair.where = record.where;
  const Names names = keys_of(record);
  pair.id = std::to_string(line);
  if (layout.sentences || names.has(layout.id)) {
    pair.id = record_id_text(record, layout.id);
  }
  CHECK(names.has(layout.source), record.where, ": no ", escaped(layout.source), "; there is ", names.list(),
        ", needed ", pair_names(layout), " in every record");
  pair.source = text_under(record, layout.source, layout.sentences);
  const std::optional<std::string> target = target_of(layout, names, targets);
  if (!target || (targets == Targets::kOptional && record.object[*target].is_null())) return pair;
  pair.target = text_under(record, *target, layout.sentences);
  if (layout.sentences) {
    erase_all(pair.target, "<S>");
    erase_all(pair.target, "</S>");
  }
  return pair;
}

std::vector<SummaryPair> read_lines(const std::string& path, const SummaryKeys& keys, Targets targets) {
  const bool is_jsonl = has_ending(unpacked_name(path), ".jsonl");
  std::vector<SummaryPair> pairs;
  std::optional<PairLayout> layout;
  JsonLines lines(path);
  for (JsonLine line; lines.next_record(line);) {
    const int64_t number = line.number;
    CHECK(layout || is_jsonl || line.text.find('{') == line.text.find_first_not_of(" \t"), path, ':', number,
          ": a text, needed JSON lines, as which a .txt of summaries is read");
    JsonRecord record = parse_json_record(std::move(line), path, "a record of a text and its summary");
    if (!layout) layout = layout_of(keys_of(record), keys);
    pairs.push_back(pair_of(record, number, *layout, targets));
  }
  return pairs;
}

std::vector<SummaryPair> read_rows_of_pairs(const std::string& path, const SummaryKeys& keys,
                                            Targets targets) {
  const auto choose = [&](const TableHeader& header) {
    const Names names = {.names = header.names, .where = header.where, .table = true};
    const PairLayout layout = layout_of(names, keys);
    const size_t source = header.at(layout.source);
    const std::optional<std::string> target = target_of(layout, names, targets);
    return TableColumns{
        .places = {source, target ? header.find(*target) : std::nullopt, header.find(layout.id)}, .texts = 2};
  };
  std::vector<SummaryPair> pairs;
  for (TableRecord& record : read_table(path, {}, choose)) {
    SummaryPair& pair = pairs.emplace_back();
    pair.source = std::move(record.fields[0].value());
    if (record.fields[1]) pair.target = std::move(*record.fields[1]);
    pair.id = record.fields[2] ? std::move(*record.fields[2]) : std::to_string(record.line);
    pair.where = std::move(record.where);
  }
  return pairs;
}

}  // namespace

std::vector<SummaryPair> read_summary_records(const std::string& path, const SummaryKeys& keys,
                                              Targets targets) {
  const std::string name = unpacked_name(path);
  if (has_ending(name, ".jsonl") || has_ending(name, ".txt")) return read_lines(path, keys, targets);
  CHECK(has_ending(name, ".csv") || has_ending(name, ".tsv"), path,
        ": not a name of texts and summaries, needed .jsonl, .txt (JSON lines as arXiv and PubMed are "
        "published), .csv or .tsv, one of them with .gz, .zip or .tar.gz behind it, or stories");
  return read_rows_of_pairs(path, keys, targets);
}

}  // namespace lf
