// Documents with labels from files of records: JSON lines, CSV and TSV, gzipped or alone in an archive; and
// single texts.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/labelled_document.h"

namespace lf {

// What the keys of a JSON record and the columns of a table are called.
struct RecordColumns {
  std::string id = "id", text = "text", label = "label";
  // The columns of a table whose first row is no header; empty: its first row names them.
  std::vector<std::string> names = {};
};

// Whether records must have a label. With kIgnored there is none, whatever the file has.
enum class Labels { kRequired, kIgnored };

// The documents of a file in its order. Its name tells the format: .jsonl, .csv or .tsv, or .txt for one
// document that is the whole file; behind it .gz, .zip or .tar.gz may stand. Without ids a record is called
// after its line. Labels are texts; a JSON label may be a number, true or false as well.
//
// Throws Error naming file and line for a record that is not well-formed, one without text or label, one that
// has white space only, invalid UTF-8, a row with other than the header's number of fields, a column that is
// missing or there twice, an id that is given twice, and a file without records.
std::vector<LabelledDocument> read_labelled_records(const std::string& path, const RecordColumns& columns,
                                                    Labels labels);

}  // namespace lf
