#include "data/tasks/summaries.h"

#include <algorithm>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_paths.h"
#include "data/first_names.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/labelled_document.h"
#include "data/tasks/summary_stories.h"

namespace lf {
namespace {

using Pairs = std::vector<SummaryPair>;

void check_options(const SummaryOptions& options, bool stories) {
  const auto refuse = [](bool wrong, const char* why) {
    if (wrong) throw UsageError(std::string("summaries: ") + why);
  };
  const SummaryKeys& keys = options.keys;
  refuse(!stories && !options.url_list.empty(), "a list of URLs belongs to stories");
  refuse(keys.source.empty() && !keys.target.empty(), "the target's key is named, the source's is not");
  refuse(options.targets == Targets::kRequired && !keys.source.empty() && keys.target.empty(),
         "the key of sources is named (source_key), that of targets is not (target_key)");
}

// What the pair lacks; "" where it is whole.
const char* lacking(const SummaryPair& pair, Targets targets) {
  if (is_blank(pair.source)) return "source";
  return targets == Targets::kRequired && is_blank(pair.target) ? "target" : "";
}

void refuse_empty(const Pairs& pairs, Targets targets) {
  for (const SummaryPair& pair : pairs) {
    const std::string lacks = lacking(pair, targets);
    CHECK(lacks.empty(), pair.where, ": ", escaped(pair.id), " has an empty ", lacks);
  }
}

void leave_out_empty(const std::string& path, Pairs& pairs, Targets targets,
                     std::vector<std::string>& warnings) {
  FirstNames empty;
  const size_t all = pairs.size();
  std::erase_if(pairs, [&](const SummaryPair& pair) {
    const std::string lacks = lacking(pair, targets);
    if (!lacks.empty()) empty.add(shown(pair.id));
    return !lacks.empty();
  });
  CHECK(!pairs.empty(), path, ": all ", all, " pairs have an empty source or target");
  if (empty.count() == 0) return;
  warnings.push_back(text(path, ": ", empty.count(), " of ", all,
                          " pairs have an empty source or target and were left out: ", empty.list()));
}

// Rare in whatever is a summary; common where the two were confused.
void warn_of_long_targets(const std::string& path, const Pairs& pairs, std::vector<std::string>& warnings) {
  FirstNames longer;
  for (const SummaryPair& pair : pairs) {
    if (pair.target.size() > pair.source.size()) longer.add(shown(pair.id));
  }
  if (longer.count() == 0) return;
  warnings.push_back(text(path, ": ", longer.count(), " of ", pairs.size(),
                          " targets are longer than their sources: ", longer.list()));
}

}  // namespace

Pairs read_summaries(const std::string& path, const SummaryOptions& options,
                     std::vector<std::string>& warnings) {
  check_exists(path);
  const bool stories = holds_stories(path);
  check_options(options, stories);
  Pairs pairs = stories ? read_stories(path, options.url_list, options.targets, warnings)
                        : read_summary_records(path, options.keys, options.targets);
  CHECK(!pairs.empty(), path, ": no records");
  for (SummaryPair& pair : pairs) {
    pair.has_target = !is_blank(pair.target);
    if (!pair.has_target) pair.target.clear();
  }
  check_distinct_ids(pairs);
  if (options.empty == EmptyPairs::kRefuse) {
    refuse_empty(pairs, options.targets);
  } else {
    leave_out_empty(path, pairs, options.targets, warnings);
  }
  warn_of_long_targets(path, pairs, warnings);
  return pairs;
}

}  // namespace lf
