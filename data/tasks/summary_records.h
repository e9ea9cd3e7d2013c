// Texts and their summaries from files of records: JSON lines, CSV and TSV, gzipped or alone in an archive.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/summary_pair.h"

namespace lf {

// What the keys of a JSON record and the columns of a table are called. An empty source: as the first record,
// or the table's header, has it of "source" and "target", "document" and "summary", "article" and "abstract"
// or "highlights", "text" and "summary".
struct SummaryKeys {
  std::string id = "id", source = {}, target = {};
};

// The pairs of a file in its order. Its name tells the format: .jsonl, .csv or .tsv, or .txt for JSON lines
// as arXiv and PubMed are published; behind it .gz, .zip or .tar.gz may stand. Without ids a record is called
// after its line. Texts may be empty.
//
// Records of arXiv and PubMed (https://github.com/armancohan/long-summarization) have lists of sentences,
// "article_text" and "abstract_text", which are joined by line ends; the marks "<S>" and "</S>" are taken out
// of the abstract, the blanks around them are not: as the data set scientific_papers of Hugging Face has it.
// They are called by their "article_id".
//
// Throws Error naming file and line for a record that is not well-formed, one without source or required
// target, a value of another type, names of no known layout or of several, invalid UTF-8, a row with other
// than the header's number of fields, and a file of another name.
std::vector<SummaryPair> read_summary_records(const std::string& path, const SummaryKeys& keys,
                                              Targets targets);

}  // namespace lf
