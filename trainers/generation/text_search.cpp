#include "trainers/generation/text_search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "core/random.h"
#include "trainers/generation/beam_search.h"
#include "trainers/generation/token_rules.h"

namespace lf {
namespace {

// Texts that know nothing of each other: the likeliest token, or one drawn by its probability.
class SeparateTexts : public TextSearch {
 public:
  SeparateTexts(const GenerationSettings& settings, const std::vector<int32_t>& prompt, uint64_t record)
      : settings_(settings),
        rules_(settings, std::ssize(prompt)),
        prompt_(std::ssize(prompt)),
        longest_(settings.longest(prompt_)),
        texts_(static_cast<size_t>(settings.num_return_sequences), {prompt}),
        parents_(texts_.size()),
        key_{settings.seed, kSamplingUse, record} {
    std::iota(parents_.begin(), parents_.end(), 0);
  }

  int64_t rows() const override { return std::ssize(texts_); }
  void advance(float* logits, const float* lse, int64_t vocabulary) override {
    for (size_t n = 0; n < texts_.size(); ++n) {
      Text& text = texts_[n];
      float* const row = logits + static_cast<int64_t>(n) * vocabulary;
      if (!text.is_done) go_on(text, n, row, lse[n], vocabulary);
    }
  }
  bool is_done() const override { return std::ranges::all_of(texts_, &Text::is_done); }
  const std::vector<int32_t>& parents() const override { return parents_; }
  std::vector<int32_t> newest() const override {
    std::vector<int32_t> ids;
    for (const Text& text : texts_) ids.push_back(text.ids.back());
    return ids;
  }
  std::vector<WrittenText> written() const override {
    std::vector<WrittenText> result;
    for (const Text& text : texts_) {
      const auto tokens = static_cast<double>(std::ssize(text.ids) - prompt_);
      result.push_back({text.ids, text.sum / std::pow(tokens, settings_.length_penalty)});
    }
    return result;
  }

 private:
  struct Text {
    std::vector<int32_t> ids;
    double sum = 0;  // of the log-probabilities, before any rule
    bool is_done = false;
  };

  void go_on(Text& text, size_t n, float* row, float lse, int64_t vocabulary) {
    const std::vector<float> before(row, row + vocabulary);
    rules_.apply(text.ids, row, vocabulary);
    const int32_t id = choose(text, n, row, vocabulary);
    text.ids.push_back(id);
    text.sum += before[static_cast<size_t>(id)] - lse;
    text.is_done = std::ssize(text.ids) >= longest_ || settings_.ends(id);
  }
  int32_t choose(const Text& text, size_t n, const float* row, int64_t vocabulary) const {
    if (!settings_.do_sample) return static_cast<int32_t>(std::max_element(row, row + vocabulary) - row);
    Tensor id = Tensor::empty({1}, DType::i32), log_probability = Tensor::empty({1}, DType::f32);
    const auto element = static_cast<uint64_t>(std::ssize(text.ids) * rows()) + n;
    const Tensor logits = Tensor::from({vocabulary}, std::vector<float>(row, row + vocabulary));
    kernels::sample(settings_.choice(), uniform(key_, element), logits, id, log_probability);
    return id.data<int32_t>()[0];
  }

  const GenerationSettings& settings_;
  TokenRules rules_;
  int64_t prompt_, longest_;
  std::vector<Text> texts_;
  std::vector<int32_t> parents_;
  RandomKey key_;
};

}  // namespace

std::unique_ptr<TextSearch> make_search(const GenerationSettings& settings,
                                        const std::vector<int32_t>& prompt, uint64_t record) {
  if (settings.num_beams > 1) return std::make_unique<BeamSearch>(settings, prompt);
  return std::make_unique<SeparateTexts>(settings, prompt, record);
}

}  // namespace lf
