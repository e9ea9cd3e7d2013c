// The data of a token classification task, read whole: texts in words with tags, in splits. The one entry for
// tasks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/bad_records.h"
#include "data/tasks/tagged_columns.h"
#include "data/tasks/tagged_text.h"

namespace lf {

// How files are read, whatever split they hold.
struct TaggedFormat {
  TaggedColumns columns = {};            // of files that are not .jsonl
  TagScheme scheme = TagScheme::kBio;    // of records whose entities are spans
  BadRecords bad = BadRecords::kRefuse;  // of records
};

struct TokenClassificationSource {
  std::string train, validation = {}, test = {};  // files; validation and test may be missing
  TaggedFormat format = {};
  // For splits that are missing: a file that divides the training texts by their ids (see divide_by_file), or
  // shares that are cut off, test first (see cut_share); 0: none.
  std::string split_file = {};
  double validation_share = 0, test_share = 0;
  uint64_t seed = 0;
  std::vector<std::string> labels =
      {};  // the tags that are classes, in their order; empty: see tags_to_learn
};

struct TokenClassificationData {
  std::vector<TaggedText> train, validation, test;
  std::vector<std::string> labels;   // a class is a place in this list
  std::vector<std::string> notices;  // what the user should know of the data
};

// The texts of a file in its order: JSON lines (.jsonl; see read_tagged_records) or columns (any other name;
// see read_tagged_columns); .gz, .zip or .tar.gz may stand behind it.
std::vector<TaggedText> read_tagged_texts(const std::string& path, const TaggedFormat& format,
                                          std::vector<std::string>& notices);

// The classes of these texts: "O", and for each type, sorted, "B-" and "I-", or "B-", "I-", "E-" and "S-"
// where some tag has one of the last two. Throws Error when no word is in an entity.
std::vector<std::string> tags_to_learn(const std::vector<TaggedText>& texts);

// Reads the splits. Throws UsageError for a source whose fields contradict each other, and Error naming file
// and record for bad input: see the readers, a training tag that `labels` does not have. Tags of validation
// and test that are no class are noticed, and count as entities that are not found; so are texts that are in
// two splits.
TokenClassificationData read_token_classification(const TokenClassificationSource& source);

}  // namespace lf
