// Dynamic masking (Devlin et al. 2019, drawn anew for every example as by Liu et al. 2019): which tokens a
// masked language model must restore, as a pure function of (seed, epoch, example).
#pragma once

#include <cstdint>
#include <span>

#include "data/tokenizer/special_ids.h"

namespace lf {

// Each token that is not special is chosen with `probability`; a chosen one becomes <mask>, or a random id of
// the whole vocabulary, or stays as it is.
struct Masking {
  double probability = 0.15;
  double mask_share = 0.8;
  double random_share = 0.1;
};

// Names the random bits of one example.
struct MaskingKey {
  uint64_t seed = 0;
  int64_t epoch = 0;
  int64_t example = 0;
};

// The key of block `example` in every evaluation: all see the same masks.
MaskingKey evaluation_masking_key(int64_t example);

// A target that does not count.
inline constexpr int32_t kIgnoredTarget = -1;

// Masks inputs (T) in place and writes the original id of each chosen token to targets (T), kIgnoredTarget
// elsewhere. A row of which nothing is chosen is left as it is. Throws Error for shares outside [0, 1], sizes
// that differ, a vocabulary without <mask> and, where tokens are to be masked, ids outside it.
void mask_tokens(std::span<int32_t> inputs, std::span<int32_t> targets, const SpecialIds& special,
                 int64_t vocabulary_size, const Masking& masking, const MaskingKey& key);

}  // namespace lf
