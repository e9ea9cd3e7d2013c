// How language models are scored: nats and bits of the targets, in sequences of a length and step.
#pragma once

#include "trainers/tasks/task.h"

namespace lf {

// A summed loss and over how many targets: the mean is nats per target.
struct Score {
  double nats = 0;
  int64_t targets = 0;
  // Of these, newline characters: a corpus that keeps them can also be scored as one that does not.
  double newline_nats = 0;
  int64_t newline_targets = 0;
  double characters_per_target = 1;

  double mean() const { return nats / static_cast<double>(targets); }
  double bits() const;  // per target: mean() / ln 2
  double bits_per_character() const { return bits() / characters_per_target; }
  double bits_without_newlines() const;
};

// How a split is scored: overlapping sequences that each score their last `step` targets.
struct Protocol {
  int64_t sequence_length = 0, step = 0, batch_size = 1;
  int64_t tokens = 0;  // only so many from the split's start; 0: all
};

// The score as metrics: bits per unit, by which checkpoints are compared, and the loss; then, for the report
// only, what follows from the characters in a target and from the newlines among them.
Evaluation evaluation_of(const Score& score, const LossUnit& unit, const Protocol& protocol);

}  // namespace lf
