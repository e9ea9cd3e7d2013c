#include "trainers/tasks/language_model_score.h"

#include <numbers>

#include "trainers/tasks/evaluation.h"

namespace lf {

double Score::bits() const { return mean() / std::numbers::ln2; }

double Score::bits_without_newlines() const {
  return (nats - newline_nats) / static_cast<double>(targets - newline_targets) / std::numbers::ln2;
}

Evaluation evaluation_of(const Score& score, const LossUnit& unit, const Protocol& protocol) {
  Evaluation result;
  result.metrics = {{unit.bits_key(), score.bits(), score.targets}, {"loss", score.mean(), score.targets}};
  result.protocol = {{"sequence_length", protocol.sequence_length}, {"step", protocol.step}};
  if (score.characters_per_target != 1)
    result.metrics.push_back({"bits_per_character", score.bits_per_character(), score.targets, false});
  if (score.newline_targets > 0) {
    result.metrics.push_back({"bits_per_character_without_newlines", score.bits_without_newlines(),
                              score.targets - score.newline_targets, false});
    result.details["newline_characters"] = score.newline_targets;
  }
  return result;
}

}  // namespace lf
