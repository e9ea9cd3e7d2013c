#include "trainers/generation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <tuple>
#include <utility>

namespace lf {
namespace {

constexpr float kNoText = -1e9f;  // as in transformers, added in single precision

// x ^ y as a divisor of a score: in single precision, as transformers divides.
float power(int64_t length, double penalty) {
  return static_cast<float>(std::pow(static_cast<double>(length), penalty));
}

}  // namespace

BeamSearch::BeamSearch(const GenerationSettings& settings, const std::vector<int32_t>& prompt)
    : settings_(settings),
      rules_(settings, std::ssize(prompt)),
      prompt_(std::ssize(prompt)),
      longest_(settings.longest(prompt_)) {
  for (int64_t n = 0; n < rows(); ++n) beams_.push_back({prompt, n == 0 ? 0 : kNoText});
  finished_.assign(static_cast<size_t>(rows()), {prompt, kNoText, false});
  parents_.resize(static_cast<size_t>(rows()));
  std::iota(parents_.begin(), parents_.end(), 0);
}

std::vector<int32_t> BeamSearch::newest() const {
  std::vector<int32_t> ids;
  for (const Beam& beam : beams_) ids.push_back(beam.ids.back());
  return ids;
}

std::vector<WrittenText> BeamSearch::written() const {
  std::vector<WrittenText> texts;
  for (int64_t n = 0; n < settings_.num_return_sequences; ++n) {
    const Finished& text = finished_[static_cast<size_t>(n)];
    texts.push_back({text.ids, text.score});
  }
  return texts;
}

void BeamSearch::advance(float* logits, const float* lse, int64_t vocabulary) {
  for (size_t n = 0; n < beams_.size(); ++n) {
    float* const row = logits + static_cast<int64_t>(n) * vocabulary;
    for (int64_t v = 0; v < vocabulary; ++v) row[v] -= lse[n];
    rules_.apply(beams_[n].ids, row, vocabulary);
    for (int64_t v = 0; v < vocabulary; ++v) row[v] += beams_[n].score;
  }
  std::vector<Candidate> candidates = best_candidates(logits, vocabulary);
  const int64_t length = std::ssize(beams_[0].ids) + 1;
  for (Candidate& candidate : candidates) candidate.ends = length >= longest_ || settings_.ends(candidate.id);
  finish(candidates);
  go_on(candidates);
  may_improve_ = may_improve_ && can_improve();
  is_done_ = is_closed() || std::ranges::all_of(candidates, &Candidate::ends);
}

// So many that enough are left to go on with, if the best of them end.
std::vector<BeamSearch::Candidate> BeamSearch::best_candidates(const float* scores,
                                                               int64_t vocabulary) const {
  const auto kept = std::max<size_t>(2, 1 + settings_.end_ids.size()) * beams_.size();
  const auto better = [](const Candidate& a, const Candidate& b) {
    return std::tuple(-a.score, a.beam, a.id) < std::tuple(-b.score, b.beam, b.id);
  };
  std::vector<Candidate> best;  // a heap, the worst on top
  for (size_t n = 0; n < beams_.size(); ++n) {
    const float* const row = scores + static_cast<int64_t>(n) * vocabulary;
    for (int64_t v = 0; v < vocabulary; ++v) {
      if (best.size() == kept && row[v] <= best.front().score) continue;
      if (best.size() == kept) {
        std::ranges::pop_heap(best, better);
        best.pop_back();
      }
      best.push_back({row[v], static_cast<int32_t>(n), static_cast<int32_t>(v)});
      std::ranges::push_heap(best, better);
    }
  }
  std::ranges::sort(best, better);
  return best;
}

// The best of those that do not end are the next beams.
void BeamSearch::go_on(const std::vector<Candidate>& candidates) {
  std::vector<Candidate> going = candidates;
  for (Candidate& candidate : going)
    if (candidate.ends) candidate.score += kNoText;
  std::ranges::stable_sort(going, [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  going.resize(beams_.size());
  std::vector<Beam> beams;
  parents_.clear();
  for (const Candidate& candidate : going) {
    beams.push_back({beams_[static_cast<size_t>(candidate.beam)].ids, candidate.score});
    beams.back().ids.push_back(candidate.id);
    parents_.push_back(candidate.beam);
  }
  beams_ = std::move(beams);
}

// Those that end may be among the best texts, if they are among the first candidates.
void BeamSearch::finish(const std::vector<Candidate>& candidates) {
  if (is_closed()) return;
  const int64_t length = std::ssize(beams_[0].ids) + 1;
  for (size_t n = 0; n < beams_.size(); ++n) {
    const Candidate& candidate = candidates[n];
    if (!candidate.ends) continue;
    Finished text{beams_[static_cast<size_t>(candidate.beam)].ids,
                  candidate.score / power(length - prompt_, settings_.length_penalty), true};
    text.ids.push_back(candidate.id);
    finished_.push_back(std::move(text));
  }
  std::ranges::stable_sort(finished_, [](const Finished& a, const Finished& b) { return a.score > b.score; });
  finished_.resize(beams_.size());
}

bool BeamSearch::is_full() const { return std::ranges::all_of(finished_, &Finished::is_text); }

bool BeamSearch::is_closed() const {
  return !may_improve_ || (is_full() && settings_.early_stopping == EarlyStopping::yes);
}

// Whether the best beam may still end with a better score than the worst finished text.
bool BeamSearch::can_improve() const {
  const float worst = is_full() ? finished_.back().score : kNoText;
  const bool by_longest = settings_.early_stopping == EarlyStopping::never && settings_.length_penalty > 0;
  const int64_t length = (by_longest ? longest_ : std::ssize(beams_[0].ids)) - prompt_;
  return beams_[0].score / power(length, settings_.length_penalty) > worst;
}

}  // namespace lf
