// Coreference in columns, as CoNLL-2011 and 2012 publish it: a word a line, its chains in the last column.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/coreference_document.h"

namespace lf {

// The documents of a file, plain, gzipped or alone in an archive, in its order: each from a line "#begin
// document NAME" on, by which it is called, to "#end document". Columns stand between tabs, where a row has
// one, or blanks; the word is the fourth of five or more, and unknown where they are fewer. The last column
// says which chains begin and end at a word, "(12|(3)" or "7)" (bars may lack), or "-", "_" or nothing. Of
// nested mentions of one chain the last that began ends first. Of a mention that is there twice, the one of
// the chain that begins first counts; the official scorer does so where the other file has the mention, too.
//
// Throws Error naming file and line for a row of one column, a chain that ends without a begin or begins
// without an end, other signs in the last column, rows outside documents, a document without an end, a name
// that is given twice, invalid UTF-8, and a file without documents.
std::vector<CoreferenceDocument> read_coreference_columns(const std::string& path);

}  // namespace lf
