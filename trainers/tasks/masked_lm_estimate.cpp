#include "trainers/tasks/masked_lm_estimate.h"

#include <algorithm>
#include <cmath>

namespace lf {
namespace {

// The sizes of one forward pass, in elements but for `element`.
struct Sizes {
  double tokens, targets, width, heads, feed_forward, vocabulary, layers, positions;
  double element;  // bytes of an activation
  bool bf16;
};

Sizes sizes_of(const RunConfig& config, const EncoderShape& s, double tokens) {
  const bool bf16 = compute_dtype(config) == DType::bf16;
  return {.tokens = tokens,
          .targets = tokens * config.masked_lm.probability,
          .width = static_cast<double>(s.width),
          .heads = static_cast<double>(s.heads),
          .feed_forward = static_cast<double>(s.feed_forward),
          .vocabulary = static_cast<double>(s.vocabulary),
          .layers = static_cast<double>(s.layers),
          .positions = static_cast<double>(s.positions),
          .element = bf16 ? 2.0 : 4.0,
          .bf16 = bf16};
}

// Bytes of the matrices of one layer and of the head in bf16: copies that the tape keeps where activations
// are bf16.
double layer_copies(const Sizes& s) {
  return s.bf16 ? s.element * (4 * s.width * s.width + 2 * s.width * s.feed_forward) : 0;
}
double head_copies(const Sizes& s) { return s.bf16 ? s.element * (s.vocabulary + s.width) * s.width : 0; }

// Bytes that one layer keeps for backward: q, k, v, the context, both norms' inputs and outputs, the
// feed-forward's two inner tensors, and in f32 the norms' statistics and attention's normalisers.
double kept_by_layer(const Sizes& s) {
  return s.tokens * (s.element * (8 * s.width + 2 * s.feed_forward) + 4 * (4 + s.heads)) + layer_copies(s);
}

// Peak of one micro-batch: while the output layer is undone, whose logits' gradient takes their place, while
// the top layer is undone, or while the embeddings' gradients are made.
double training_bytes(const Sizes& s, bool recompute) {
  const double hidden = s.element * s.tokens * s.width, layer = kept_by_layer(s);
  const double embedded = 2 * hidden + 8 * s.tokens;
  const double kept = embedded + s.layers * (recompute ? hidden : layer);
  const double head =
      s.targets * s.element * (4 * s.width + s.vocabulary) + head_copies(s) + 4 * s.vocabulary * s.width;
  const double again = recompute ? layer : 0;
  const double gradients = 2 * hidden + s.element * s.tokens * s.feed_forward + 4 * s.width * s.feed_forward;
  const double tables = embedded + hidden + 4 * (s.vocabulary + s.positions) * s.width;
  return std::max({kept + head, kept + again + gradients, tables});
}

double evaluation_bytes(const Sizes& s) {
  const double layer = s.element * s.tokens * (3 * s.width + 2 * s.feed_forward) + layer_copies(s);
  return layer + s.targets * s.element * (4 * s.width + s.vocabulary) + head_copies(s) + 12 * s.tokens;
}

Work forward_work(const RunConfig& config, const EncoderShape& s, double rows, int64_t length) {
  const auto D = static_cast<double>(s.width), F = static_cast<double>(s.feed_forward);
  const double tokens = rows * static_cast<double>(length);
  const double head = config.masked_lm.probability * (D * D + static_cast<double>(s.vocabulary) * D);
  Work work{.products = 2 * tokens * (static_cast<double>(s.layers) * (4 * D * D + 2 * D * F) + head),
            .attention = 0};
  for (int64_t i = 0; i < s.layers; ++i) {
    const int64_t window = s.is_longformer() ? s.windows[static_cast<size_t>(i)] : length;
    work.attention += 4 * tokens * static_cast<double>(std::min(window + 1, length)) * D;
  }
  return work;
}

}  // namespace

StageEstimate estimate_stage(const RunConfig& config, const EncoderShape& shape, const Stage& stage,
                             int64_t validation_tokens, int64_t test_tokens, const MachineRates& rates) {
  MaskedLM model(shape);
  const int64_t parameters = count_parameters(model);
  const auto bytes_of = [&](int64_t rows) {
    return sizes_of(config, shape, static_cast<double>(rows * stage.sequence_length));
  };
  const bool tests = config.evaluation.after_each_stage || stage == resolved_stages(config).back();
  StageEstimate result;
  // Values, gradients and two moments, f32.
  result.memory_bytes = static_cast<int64_t>(
      16 * static_cast<double>(parameters) +
      std::max({training_bytes(bytes_of(stage.micro_batch), stage.recompute),
                evaluation_bytes(bytes_of(config.validation.batch_size)),
                tests ? evaluation_bytes(bytes_of(config.evaluation.batch_size)) : 0.0}));
  const double again = stage.recompute ? 1 : 0;
  const Work update =
      forward_work(config, shape, static_cast<double>(stage.batch_size), stage.sequence_length);
  const double step = seconds_for(update, 3 + again, 3.5 + again, rates);
  const int64_t steps = planned_steps(stage);
  double training = steps ? static_cast<double>(steps) * step : INFINITY;
  if (stage.minutes > 0) training = std::min(training, 60 * stage.minutes);
  const auto scoring = [&](int64_t tokens) {
    const double blocks =
        std::floor(static_cast<double>(tokens) / static_cast<double>(stage.sequence_length));
    return seconds_for(forward_work(config, shape, std::max(1.0, blocks), stage.sequence_length), 1, 1,
                       rates);
  };
  const int64_t limit = config.validation.tokens, every = config.validation.every_steps;
  const double validation = scoring(limit ? std::min(limit, validation_tokens) : validation_tokens);
  const double validations = every ? std::floor(training / step / static_cast<double>(every)) : 0;
  result.seconds = training + (validations + 1) * validation + (tests ? scoring(test_tokens) : 0);
  result.disk_bytes = disk_bytes(config, stage, parameters);
  return result;
}

double update_flops(const RunConfig& config, const EncoderShape& shape, const Stage& stage) {
  return training_flops(
      forward_work(config, shape, static_cast<double>(stage.batch_size), stage.sequence_length),
      config.masked_lm.trained != TrainedChoice::new_positions);
}

}  // namespace lf
