// Splits of labelled documents: cutting them, dividing them as a published file says, and finding what is in
// two of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/labelled_document.h"

namespace lf {

struct DocumentSplits {
  std::vector<LabelledDocument> train, validation, test;
};

// Takes a share of the documents of each label, rounded, out of `documents`: those that come first when the
// label's documents are ordered by a hash of the seed and their id. So the same documents go with every order
// of the file, and most of them stay when others are added. Documents of one text (see find_leaks) go
// together. Both keep their order. Throws Error when one side would be empty.
std::vector<LabelledDocument> cut_share(std::vector<LabelledDocument>& documents, double share,
                                        uint64_t seed);

// What is cut from training where there is no such split; 0: nothing.
struct SplitShares {
  double validation = 0, test = 0;  // of all that training has
  uint64_t seed = 0;
};

// Cuts the splits that are empty, test first (see cut_share), and notices how much went; `what` the documents
// are: "documents". Throws Error saying which.
void cut_shares(const SplitShares& shares, const std::string& what, DocumentSplits& splits,
                std::vector<std::string>& notices);

// Divides documents by a file {"train": [ids], "dev": [ids], "test": [ids]}; "validation" may stand for
// "dev", and splits may be missing. Ids are texts, or whole numbers that documents' ids have as their value
// ("0000012" is 12). Ids that are in two splits stay in both, and documents in none are left out; both are
// noticed. Throws Error for a file of another form, an id that no document has and one that is twice in a
// split.
DocumentSplits divide_by_file(const std::vector<LabelledDocument>& documents, const std::string& path,
                              std::vector<std::string>& notices);

// What is in two splits: documents whose texts are equal but for white space. One notice for every pair of
// splits that share any, with the first ids. Also noticed: equal texts within a split, and how many of them
// have several labels.
std::vector<std::string> find_leaks(const DocumentSplits& splits);

// Takes the documents out of training that find_leaks sees in validation or test, and those of validation
// that are in test. One notice for each split from which some were taken.
std::vector<std::string> drop_leaks(DocumentSplits& splits);

}  // namespace lf
