// Records in a table, CSV or TSV, whose columns have names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lf {

struct TableHeader {
  std::string where;  // for messages
  std::vector<std::string> names;

  // Where a column stands, and nothing where there is none. Throws Error for a name that two columns have.
  std::optional<size_t> find(const std::string& name) const;
  // The same; throws Error that lists the columns where there is none.
  size_t at(const std::string& name) const;
  // The names as messages show them.
  std::string list() const;
};

// The columns that are wanted, by their places in the header; the first `texts` of them hold texts, which
// show how a TSV was written.
struct TableColumns {
  std::vector<std::optional<size_t>> places;
  size_t texts = 0;
};

struct TableRecord {
  int64_t line = 0;  // where its row begins, from 1
  std::string where;
  std::vector<std::optional<std::string>> fields;  // of the columns that are wanted
};

// The records of a file in its order. Its name tells the format, .csv or .tsv, gzipped or alone in an archive
// too. The columns are called `names` or, where these are empty, as the first row says; `choose` takes some
// and may throw.
//
// A TSV is read as it stands, for most writers know no quotation; as writers of CSV would have it where a
// text, or a row that does not fit, shows that one of those wrote it. Blank lines are passed over. Throws
// Error naming file and line for an empty file, a row with other than the header's number of fields, and see
// DelimitedRows.
std::vector<TableRecord> read_table(const std::string& path, const std::vector<std::string>& names,
                                    const std::function<TableColumns(const TableHeader&)>& choose);

}  // namespace lf
