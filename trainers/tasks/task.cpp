#include "trainers/tasks/task.h"

#include <algorithm>
#include <numbers>

namespace lf {

double Score::bits() const { return mean() / std::numbers::ln2; }

double Score::bits_without_newlines() const {
  return (nats - newline_nats) / static_cast<double>(targets - newline_targets) / std::numbers::ln2;
}

const char* name(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::validation:
      return "validation";
    case Split::test:
      return "test";
  }
  return "unknown";
}

namespace {

// A masked language model is scored in blocks that do not overlap.
Protocol blocks_of(const Stage& stage, int64_t batch_size, int64_t tokens) {
  return {.sequence_length = stage.sequence_length,
          .step = stage.sequence_length,
          .batch_size = batch_size,
          .tokens = tokens};
}

}  // namespace

Protocol validation_protocol(const RunConfig& config, const Stage& stage) {
  const ValidationSection& v = config.validation;
  if (config.task == TaskChoice::masked_lm) return blocks_of(stage, v.batch_size, v.tokens);
  const int64_t length = v.sequence_length ? v.sequence_length : stage.sequence_length;
  const int64_t step = v.step ? std::min(v.step, length) : std::max<int64_t>(1, length / 2);
  return {.sequence_length = length, .step = step, .batch_size = v.batch_size, .tokens = v.tokens};
}

Protocol test_protocol(const RunConfig& config) {
  const EvaluationSection& e = config.evaluation;
  if (config.task == TaskChoice::masked_lm) return blocks_of(resolved_stages(config).back(), e.batch_size, 0);
  return {.sequence_length = e.sequence_length, .step = e.step, .batch_size = e.batch_size, .tokens = 0};
}

}  // namespace lf
