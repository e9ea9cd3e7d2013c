// Texts that two splits share or one has twice, by their words: what makes a score better than it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lf {

// XXH3-128 of the text with single blanks for all white space, and none at its ends.
std::string hash_of_words(std::string_view text);

// What is compared of a split, by example.
struct SplitTexts {
  const char* name;                      // "train"
  std::vector<std::string> ids, hashes;  // hash_of_words
  std::vector<std::string> labels = {};  // in a form of which equal ones are equal; empty: there are none
};

// One notice for every pair of splits that share any texts, with the first ids, and one for each split that
// has equal texts, and how many of these have several labels. `what` are the examples: "documents".
std::vector<std::string> shared_texts(const std::string& what, const std::vector<SplitTexts>& splits);

}  // namespace lf
