#include "trainers/metrics/rouge.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "trainers/metrics/porter_stemmer.h"

namespace lf {
namespace {

// Words as numbers, equal ones as the same, and those of the lines that have any character one by one.
struct RougeText {
  std::vector<int32_t> words;
  std::vector<std::vector<int32_t>> lines;
};

// Numbers the words of both texts of a pair.
class RougeReader {
 public:
  explicit RougeReader(bool stems) : stems_(stems) {}

  RougeText read(std::string_view text) {
    RougeText result;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) result.lines.push_back(numbers(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    for (const auto& line : result.lines) result.words.insert(result.words.end(), line.begin(), line.end());
    return result;
  }

  size_t different_words() const { return numbers_.size(); }

 private:
  std::vector<int32_t> numbers(std::string_view line) {
    std::vector<int32_t> result;
    for (std::string& word : rouge_words(line, stems_)) {
      const auto next = static_cast<int32_t>(numbers_.size());
      result.push_back(numbers_.try_emplace(std::move(word), next).first->second);
    }
    return result;
  }

  bool stems_;
  std::unordered_map<std::string, int32_t> numbers_;
};

RougeScore score_of(size_t hits, size_t reference, size_t prediction) {
  RougeScore score;
  score.precision = static_cast<double>(hits) / static_cast<double>(std::max<size_t>(prediction, 1));
  score.recall = static_cast<double>(hits) / static_cast<double>(std::max<size_t>(reference, 1));
  const double sum = score.precision + score.recall;
  if (sum > 0) score.f1 = 2 * score.precision * score.recall / sum;
  return score;
}

// The text's words, or its pairs of neighbours, sorted.
std::vector<std::pair<int32_t, int32_t>> sorted_grams(const std::vector<int32_t>& words, size_t length) {
  std::vector<std::pair<int32_t, int32_t>> grams;
  for (size_t i = 0; i + length <= words.size(); ++i) grams.emplace_back(words[i], words[i + length - 1]);
  std::sort(grams.begin(), grams.end());
  return grams;
}

RougeScore gram_score(const RougeText& reference, const RougeText& prediction, size_t length) {
  const auto needed = sorted_grams(reference.words, length), given = sorted_grams(prediction.words, length);
  std::vector<std::pair<int32_t, int32_t>> shared;  // as often as both have it
  std::set_intersection(needed.begin(), needed.end(), given.begin(), given.end(), std::back_inserter(shared));
  return score_of(shared.size(), needed.size(), given.size());
}

// The length of the longest common subsequence, for each beginning of `a` in turn: `step(i, j, left)` hears
// whether the one of a[0..i] and b[0..j] is that without b[j] and longer than that without a[i].
template <class Step>
size_t common_length(const std::vector<int32_t>& a, const std::vector<int32_t>& b, Step step) {
  std::vector<uint32_t> before(b.size() + 1), lengths(b.size() + 1);
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b.size(); ++j) {
      step(i, j, lengths[j] > before[j + 1]);
      lengths[j + 1] = a[i] == b[j] ? before[j] + 1 : std::max(lengths[j], before[j + 1]);
    }
    std::swap(before, lengths);
  }
  return before.back();
}

// Marks the words of `line` that are in its longest common subsequence with `other`; of several such, in that
// which rouge-score finds from the end.
void mark_common(const std::vector<int32_t>& line, const std::vector<int32_t>& other,
                 std::vector<bool>& marked) {
  std::vector<bool> goes_left(line.size() * other.size());
  common_length(line, other, [&](size_t i, size_t j, bool left) { goes_left[i * other.size() + j] = left; });
  for (size_t i = line.size(), j = other.size(); i > 0 && j > 0;) {
    if (line[i - 1] == other[j - 1]) {
      marked[--i] = true;
      --j;
    } else if (goes_left[(i - 1) * other.size() + j - 1]) {
      --j;
    } else {
      --i;
    }
  }
}

RougeScore line_score(const RougeText& reference, const RougeText& prediction, size_t different_words) {
  // No word is a hit more often than either text has it, though several lines may share it.
  std::vector<int64_t> left_in_reference(different_words), left_in_prediction(different_words);
  for (const int32_t word : reference.words) ++left_in_reference[static_cast<size_t>(word)];
  for (const int32_t word : prediction.words) ++left_in_prediction[static_cast<size_t>(word)];
  size_t hits = 0;
  for (const auto& line : reference.lines) {
    std::vector<bool> marked(line.size());
    for (const auto& other : prediction.lines) mark_common(line, other, marked);
    for (size_t i = 0; i < line.size(); ++i) {
      const auto word = static_cast<size_t>(line[i]);
      if (!marked[i] || left_in_reference[word] == 0 || left_in_prediction[word] == 0) continue;
      ++hits;
      --left_in_reference[word];
      --left_in_prediction[word];
    }
  }
  return score_of(hits, reference.words.size(), prediction.words.size());
}

// Small letters, as far as they make a-z and 0-9 in ASCII; everything else is a blank. Of all code points
// beyond ASCII, Python's str.lower turns just two into such letters: U+0130 into i and a combining dot, and
// U+212A, the sign of kelvins, into k. What it makes of a letter by its neighbours (the Greek sigma) is none.
std::string lowered(std::string_view text) {
  constexpr std::string_view kDottedI = "\xC4\xB0", kKelvin = "\xE2\x84\xAA";
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      result += c;
    } else if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else if (text.substr(at).starts_with(kKelvin)) {
      result += 'k';
      at += kKelvin.size() - 1;
    } else {
      result += text.substr(at).starts_with(kDottedI) ? "i " : " ";
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text, bool stems) {
  constexpr size_t kLongestUnstemmed = 3;
  const std::string letters = lowered(text);
  std::vector<std::string> words;
  for (size_t begin = letters.find_first_not_of(' '); begin != letters.npos;) {
    const size_t end = std::min(letters.find(' ', begin), letters.size());
    words.push_back(letters.substr(begin, end - begin));
    if (stems && words.back().size() > kLongestUnstemmed) words.back() = porter_stem(words.back());
    begin = letters.find_first_not_of(' ', end);
  }
  return words;
}

RougeScores rouge(std::string_view reference, std::string_view prediction, bool stems) {
  RougeReader reader(stems);
  const RougeText needed = reader.read(reference), given = reader.read(prediction);
  const size_t common = common_length(needed.words, given.words, [](size_t, size_t, bool) {});
  return {gram_score(needed, given, 1), gram_score(needed, given, 2),
          score_of(common, needed.words.size(), given.words.size()),
          line_score(needed, given, reader.different_words())};
}

std::vector<RougeScores> rouge(std::span<const RougePair> pairs, bool stems) {
  std::vector<RougeScores> scores(pairs.size());
  std::exception_ptr failure;  // no memory for a table: it must not leave the parallel loop
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < pairs.size(); ++i) {
    try {
      scores[i] = rouge(pairs[i].reference, pairs[i].prediction, stems);
    } catch (...) {
#pragma omp critical(rouge_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return scores;
}

std::array<RougeSummary, kRougeKinds.size()> rouge_summary(std::span<const RougeScores> scores,
                                                           const BootstrapSettings& settings) {
  std::vector<double> table;  // (records, kinds, precision recall f1)
  for (const RougeScores& record : scores) {
    for (const RougeScore& score : record)
      table.insert(table.end(), {score.precision, score.recall, score.f1});
  }
  const std::vector<Interval> intervals = bootstrap_intervals(table, 3 * kRougeKinds.size(), settings);
  std::array<RougeSummary, kRougeKinds.size()> summary;
  for (size_t kind = 0; kind < summary.size(); ++kind) {
    RougeScore& mean = summary[kind].mean;
    for (const RougeScores& record : scores) {
      mean.precision += record[kind].precision;
      mean.recall += record[kind].recall;
      mean.f1 += record[kind].f1;
    }
    for (double* sum : {&mean.precision, &mean.recall, &mean.f1}) *sum /= static_cast<double>(scores.size());
    summary[kind].precision = intervals[3 * kind];
    summary[kind].recall = intervals[3 * kind + 1];
    summary[kind].f1 = intervals[3 * kind + 2];
  }
  return summary;
}

}  // namespace lf
