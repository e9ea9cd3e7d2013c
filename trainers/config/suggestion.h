// "did you mean": the nearest of the words that would have been right.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
int edit_distance(const std::string& a, const std::string& b);

// The candidate that was probably meant, the first of equals; empty when none is near.
std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace lf
