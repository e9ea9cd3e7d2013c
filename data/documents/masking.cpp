#include "data/documents/masking.h"

#include <algorithm>

#include "core/check.h"
#include "core/random.h"

namespace lf {
namespace {

// Evaluations draw from a seed of their own, so that no training run is measured on masks that it trained on.
constexpr uint64_t kEvaluationSeed = 0x6D61736B73;  // "masks"

// A random word falls below this with the given probability; 2^32 for certainty.
uint64_t threshold(double probability) { return static_cast<uint64_t>(probability * 0x1p32); }

void check(std::span<const int32_t> inputs, std::span<const int32_t> targets, const SpecialIds& special,
           int64_t vocabulary_size, const Masking& masking) {
  CHECK(inputs.size() == targets.size(), "masking: ", inputs.size(), " inputs and ", targets.size(),
        " targets");
  CHECK(masking.probability >= 0 && masking.probability <= 1 && masking.mask_share >= 0 &&
            masking.random_share >= 0 && masking.mask_share + masking.random_share <= 1,
        "masking: probability ", masking.probability, ", mask share ", masking.mask_share,
        " and random share ", masking.random_share, " must lie in [0, 1], the two shares together as well");
  CHECK(special.mask, "masking: a tokenizer without <mask> cannot serve a masked language model");
  CHECK(*special.mask < vocabulary_size, "masking: <mask> is ", *special.mask, ", the vocabulary has ",
        vocabulary_size);
}

}  // namespace

MaskingKey evaluation_masking_key(int64_t example) {
  return {.seed = kEvaluationSeed, .epoch = 0, .example = example};
}

void mask_tokens(std::span<int32_t> inputs, std::span<int32_t> targets, const SpecialIds& special,
                 int64_t vocabulary_size, const Masking& masking, const MaskingKey& key) {
  check(inputs, targets, special, vocabulary_size, masking);
  const uint64_t chosen_below = threshold(masking.probability);
  const uint64_t mask_below = threshold(masking.mask_share);
  const uint64_t random_below = threshold(masking.mask_share + masking.random_share);
  const RandomKey random{.seed = key.seed, .use = kMaskingUse, .step = static_cast<uint64_t>(key.example)};
  std::fill(targets.begin(), targets.end(), kIgnoredTarget);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int32_t id = inputs[i];
    CHECK(id >= 0 && id < vocabulary_size, "masking: token ", i, " is ", id, ", the vocabulary has ",
          vocabulary_size);
    if (special.contains(id)) continue;
    // Positions are far below 2^32: the upper half of the block's index holds the epoch.
    const auto words = philox(random, (static_cast<uint64_t>(key.epoch) << 32) | i);
    if (words[0] >= chosen_below) continue;
    targets[i] = id;
    if (words[1] < mask_below) {
      inputs[i] = *special.mask;
    } else if (words[1] < random_below) {
      inputs[i] = static_cast<int32_t>((uint64_t{words[2]} * static_cast<uint64_t>(vocabulary_size)) >> 32);
    }
  }
}

}  // namespace lf
