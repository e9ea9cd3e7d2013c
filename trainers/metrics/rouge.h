// ROUGE (C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", 2004): how much of a
// reference's wording a text has. The scores are those of Google's rouge-score 0.1.2 with its own tokenizer,
// to the last bit. With r words in the reference, p in the prediction and h of them in both,
// precision = h / p, recall = h / r and F1 = 2 precision recall / (precision + recall), each 0 where its
// denominator is.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainers/metrics/bootstrap.h"

namespace lf {

// Overlap of words and of pairs of neighbours; the longest common subsequence of words; and the same sentence
// by sentence, a line each: what the prediction's lines have in common with a line of the reference together.
inline constexpr std::array<const char*, 4> kRougeKinds = {"rouge1", "rouge2", "rougeL", "rougeLsum"};

// Each from 0 to 1.
struct RougeScore {
  double precision = 0, recall = 0, f1 = 0;
};

// In the order of kRougeKinds.
using RougeScores = std::array<RougeScore, kRougeKinds.size()>;

// What counts as words: runs of a-z and 0-9, once the text is in small letters as Python's str.lower makes
// them. `stems`: those of more than three letters are stemmed (see porter_stemmer.h). Any bytes may be given.
std::vector<std::string> rouge_words(std::string_view text, bool stems);

// Of a prediction; a text without words scores 0. Of two texts of one line each, rougeLsum takes a bit of
// memory for every word of the one times every word of the other.
RougeScores rouge(std::string_view reference, std::string_view prediction, bool stems);

struct RougePair {
  std::string_view reference, prediction;
};
// Of many, on all threads.
std::vector<RougeScores> rouge(std::span<const RougePair> pairs, bool stems);

// A kind's scores over all records.
struct RougeSummary {
  RougeScore mean;
  Interval precision, recall, f1;
};
// In the order of kRougeKinds; throws Error where there are no scores.
std::array<RougeSummary, kRougeKinds.size()> rouge_summary(std::span<const RougeScores> scores,
                                                           const BootstrapSettings& settings = {});

}  // namespace lf
