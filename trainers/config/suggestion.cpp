#include "trainers/config/suggestion.h"

#include <algorithm>
#include <cctype>

namespace lf {

namespace {

constexpr size_t kLongestWord = 100;  // longer words are no misspelt keys, and the table grows as the product

// Lower case with '-' as '_': differences that never tell two keys apart.
std::string plain_form(std::string word) {
  for (char& letter : word) {
    letter = letter == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return word;
}

}  // namespace

int edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> table(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) table[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= b.size(); ++j) table[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
      }
    }
  }
  return table[a.size()][b.size()];
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string wanted = plain_form(word);
  if (wanted.empty() || wanted.size() > kLongestWord) return "";
  std::string nearest;
  int best = 0;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(wanted, plain_form(candidate));
    const int allowed = std::max<int>(1, static_cast<int>(std::max(wanted.size(), candidate.size()) / 3));
    if (distance > allowed || distance >= static_cast<int>(candidate.size())) continue;
    if (nearest.empty() || distance < best) {
      nearest = candidate;
      best = distance;
    }
  }
  if (!nearest.empty() || wanted.size() < 3) return nearest;
  const auto begun = std::find_if(candidates.begin(), candidates.end(), [&](const std::string& candidate) {
    return plain_form(candidate).starts_with(wanted);
  });
  return begun == candidates.end() ? "" : *begun;
}

}  // namespace lf
