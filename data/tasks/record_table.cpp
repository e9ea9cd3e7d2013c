#include "data/tasks/record_table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "data/byte_source.h"
#include "data/tasks/delimited_rows.h"

namespace lf {
namespace {

using ChooseColumns = std::function<TableColumns(const TableHeader&)>;

struct Table {
  std::vector<TableRecord> records;
  size_t texts = 0;  // so many fields of a record are texts
};

Table read_rows(const std::string& path, Delimiter delimiter, Marks marks,
                const std::vector<std::string>& names, const ChooseColumns& choose) {
  DelimitedRows rows(path, delimiter, marks);
  TableHeader header = {.where = names.empty() ? text(path, ":1") : path, .names = names};
  if (names.empty())
    CHECK(rows.next(header.names), path, ": an empty file, needed a row that names the columns");
  const TableColumns columns = choose(header);
  Table table = {.records = {}, .texts = columns.texts};
  for (std::vector<std::string> fields; rows.next(fields);) {
    if (fields.size() == 1 && fields[0].empty() && header.names.size() > 1) continue;  // a blank line
    CHECK(fields.size() == header.names.size(), rows.where(), ": ", fields.size(), " fields, needed ",
          header.names.size(), " as ", names.empty() ? "the header has" : "columns are named");
    TableRecord& record = table.records.emplace_back();
    record.line = rows.line();
    record.where = rows.where();
    for (const std::optional<size_t>& place : columns.places)
      record.fields.push_back(place ? std::optional(std::move(fields[*place])) : std::nullopt);
  }
  return table;
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

std::vector<TableRecord> read_tsv(const std::string& path, const std::vector<std::string>& names,
                                  const ChooseColumns& choose) {
  const auto read = [&](Marks marks) { return read_rows(path, Delimiter::kTab, marks, names, choose); };
  Table table;
  std::string misfit;
  try {
    table = read(Marks::kAreText);
    const auto is_quoted = [&](const TableRecord& record) {
      const auto begin = record.fields.begin(), end = begin + static_cast<std::ptrdiff_t>(table.texts);
      return std::any_of(begin, end, [](const auto& field) { return field && looks_quoted(*field); });
    };
    const auto quoted = std::find_if(table.records.begin(), table.records.end(), is_quoted);
    if (quoted == table.records.end()) return std::move(table.records);
    misfit = quoted->where + ": the text is in quotation marks as writers of CSV put them";
  } catch (const Error& error) {
    misfit = error.what();
  }
  try {
    return read(Marks::kQuote).records;
  } catch (const Error& error) {
    throw Error(misfit == error.what() ? misfit : misfit + "; read as a CSV with tabs: " + error.what());
  }
}

}  // namespace

std::optional<size_t> TableHeader::find(const std::string& name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  CHECK(std::find(found + 1, names.end(), name) == names.end(), where, ": two columns are called ",
        escaped(name));
  return static_cast<size_t>(found - names.begin());
}

size_t TableHeader::at(const std::string& name) const {
  const std::optional<size_t> place = find(name);
  CHECK(place, where, ": no column ", escaped(name), "; there is ", list());
  return *place;
}

std::string TableHeader::list() const {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + escaped(name);
  return list;
}

std::vector<TableRecord> read_table(const std::string& path, const std::vector<std::string>& names,
                                    const ChooseColumns& choose) {
  if (has_ending(unpacked_name(path), ".tsv")) return read_tsv(path, names, choose);
  return read_rows(path, Delimiter::kComma, Marks::kQuote, names, choose).records;
}

}  // namespace lf
