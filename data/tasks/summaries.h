// The data of a summarization task, read whole: the official files of arXiv, PubMed and CNN/DailyMail, or any
// records of a text and its summary. The one entry for tasks.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/summary_pair.h"
#include "data/tasks/summary_records.h"

namespace lf {

// What becomes of pairs whose source, or required target, has nothing but white space. The official files
// hold some (114 stories of CNN/DailyMail have no article), and published figures are without them.
enum class EmptyPairs { kRefuse, kLeaveOut };

inline std::vector<std::string> names_of(EmptyPairs) { return {"refuse", "leave_out"}; }

struct SummaryOptions {
  SummaryKeys keys = {};      // of records
  std::string url_list = {};  // of stories: the file of a split's URLs (see read_stories); empty: all stories
  Targets targets = Targets::kRequired;
  EmptyPairs empty = EmptyPairs::kRefuse;
};

// The pairs at a path in their order: stories (a folder, a .story file, an archive of these; see
// read_stories), or a file of records (see read_summary_records). `warnings` receives what the user should
// know: files and pairs that were left out, targets that are longer than their sources.
//
// Throws UsageError for options that contradict each other or what stands at the path, and Error naming file
// and line or member for bad input: see the readers, an empty source or required target, an id that is there
// twice, and a file without pairs.
std::vector<SummaryPair> read_summaries(const std::string& path, const SummaryOptions& options,
                                        std::vector<std::string>& warnings);

}  // namespace lf
