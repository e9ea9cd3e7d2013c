// The keys of every task that fine-tunes an encoder with a head.
#pragma once

#include "trainers/config/fields.h"

namespace lf {

struct EncoderTraining {
  double dropout = 0.1;
  double attention_dropout = 0.1;
  double head_rate_factor = 1.0;

  static void visit_training(auto& self, auto&& field) {
    field("dropout", self.dropout, "Probability of dropping an activation during training.",
          from_below(0, 1));
    field("attention_dropout", self.attention_dropout, "Probability of dropping an attention weight.",
          from_below(0, 1));
    field("head_rate_factor", self.head_rate_factor, "Learning rate of the head in terms of the stage's.",
          above(0));
  }
  bool operator==(const EncoderTraining&) const = default;
};

}  // namespace lf
