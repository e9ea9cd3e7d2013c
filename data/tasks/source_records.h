// Texts that are to be read, from whatever file has them: records, or the data of a summarization task.
#pragma once

#include <string>
#include <vector>

#include "data/records.h"

namespace lf {

// The records of a file whose first line has "text" or "ids" (read_records); else the sources of what
// read_summaries reads, with their ids: the official files of arXiv, PubMed and CNN/DailyMail, or records
// {source, target}, in which a summary may be missing. Throws what these throw; `warnings` receives what the
// second has to say.
std::vector<Record> read_source_records(const std::string& path, std::vector<std::string>& warnings);

}  // namespace lf
