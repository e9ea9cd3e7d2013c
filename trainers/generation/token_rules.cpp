#include "trainers/generation/token_rules.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

namespace lf {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void forbid(int32_t id, float* scores, int64_t vocabulary) {
  if (id >= 0 && id < vocabulary) scores[id] = kForbidden;
}

// Divides a likely token's score where it is positive, multiplies where negative.
void penalise_repetition(const std::vector<int32_t>& text, double penalty, float* scores) {
  const auto factor = static_cast<float>(penalty);
  for (const int32_t id : std::set<int32_t>(text.begin(), text.end()))
    scores[id] = scores[id] < 0 ? scores[id] * factor : scores[id] / factor;
}

// Tokens that would repeat an n-gram of the text, whose last n - 1 tokens begin it.
void forbid_repeated(const std::vector<int32_t>& text, int64_t n, float* scores, int64_t vocabulary) {
  const int64_t length = std::ssize(text);
  if (length + 1 < n) return;
  const auto begun = text.end() - (n - 1);
  for (int64_t i = 0; i + n <= length; ++i) {
    const auto gram = text.begin() + i;
    if (std::equal(begun, text.end(), gram)) forbid(gram[n - 1], scores, vocabulary);
  }
}

void force(const std::vector<int32_t>& ids, float* scores, int64_t vocabulary) {
  std::fill_n(scores, vocabulary, kForbidden);
  for (const int32_t id : ids) scores[id] = 0;
}

}  // namespace

TokenRules::TokenRules(const GenerationSettings& settings, int64_t prompt)
    : settings_(settings), longest_(settings.longest(prompt)), shortest_(settings.shortest(prompt)) {}

void TokenRules::apply(const std::vector<int32_t>& text, float* scores, int64_t vocabulary) const {
  const GenerationSettings& s = settings_;
  const int64_t length = std::ssize(text);
  if (s.repetition_penalty != 1) penalise_repetition(text, s.repetition_penalty, scores);
  if (s.no_repeat_ngram_size > 0) forbid_repeated(text, s.no_repeat_ngram_size, scores, vocabulary);
  if (length < shortest_) {
    for (const int32_t id : s.end_ids) forbid(id, scores, vocabulary);
  }
  if (s.forced_begin && length == 1) force({*s.forced_begin}, scores, vocabulary);
  if (!s.forced_end.empty() && length == longest_ - 1) force(s.forced_end, scores, vocabulary);
}

}  // namespace lf
