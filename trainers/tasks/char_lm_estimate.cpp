#include "trainers/tasks/char_lm_estimate.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/attention/shares.h"
#include "core/kernels/kernels.h"
#include "trainers/tasks/char_lm_model.h"
#include "trainers/tasks/language_model_score.h"

namespace lf {
namespace {

// The sizes of one forward pass, in elements but for `element`.
struct Sizes {
  double tokens, width, heads_width, heads, feed_forward, vocabulary, layers;
  double distances;  // rows of the sinusoids and of each layer's projection of them
  double element;    // bytes of an activation
  bool bf16, dropout, relative;
  double scores = 0;         // of one layer, where they are made at all: not in the fused kernel
  double distance_sums = 0;  // bytes that the device's kernel for the distances' gradients works in
};

// Only tensor cores need such sums; they are largest where window and batch are.
double distance_sums(const CharLMShape& s, const LayerPattern& layer, int64_t rows, int64_t length) {
  if (!s.relative_positions || !kernels::cuda::has_tensor_core_width(s.head_width)) return 0;
  const int64_t tiles = kernels::cuda::tiles_of_head(length, std::min(layer.largest_dilation(), length));
  const int64_t window = std::min(layer.window, length - 1) + 1;
  return static_cast<double>(
      kernels::cuda::distance_shares(rows, tiles, window).bytes(s.heads, s.head_width));
}

Sizes sizes_of(const RunConfig& config, const CharLMShape& s, const CharLMPattern& pattern, int64_t rows,
               int64_t length) {
  int64_t reach = 0, window = 0;
  for (const LayerPattern& layer : pattern.layers) {
    reach = std::max(reach, layer.reach());
    window = std::max(window, layer.window);
  }
  const bool bf16 = compute_dtype(config) == DType::bf16;
  Sizes result{.tokens = static_cast<double>(rows * length),
               .width = static_cast<double>(s.width),
               .heads_width = static_cast<double>(s.heads * s.head_width),
               .heads = static_cast<double>(s.heads),
               .feed_forward = static_cast<double>(s.feed_forward),
               .vocabulary = static_cast<double>(s.vocabulary),
               .layers = static_cast<double>(s.layers),
               .distances = s.relative_positions ? static_cast<double>(std::min(reach, length - 1) + 1) : 0.0,
               .element = bf16 ? 2.0 : 4.0,
               .bf16 = bf16,
               .dropout = s.dropout > 0,
               .relative = s.relative_positions};
  using enum AttentionImplementation;
  if (pattern.implementation != fused) {
    const int64_t columns = pattern.implementation == full ? length : std::min(window, length - 1) + 1;
    result.scores = result.tokens * result.heads * static_cast<double>(columns);
  } else if (device_of(config) == Device::cuda && bf16) {
    for (const LayerPattern& layer : pattern.layers)
      result.distance_sums = std::max(result.distance_sums, distance_sums(s, layer, rows, length));
  }
  return result;
}

// Bytes of the matrices of one block, in bf16 for the products: copies that the tape keeps where activations
// are bf16.
double block_copies(const Sizes& s) {
  const double attention = (s.relative ? 5 : 4) * s.width * s.heads_width;
  return s.bf16 ? s.element * (attention + 2 * s.width * s.feed_forward) : 0;
}
double output_copy(const Sizes& s) { return s.bf16 ? s.element * s.vocabulary * s.width : 0; }

// Bytes of what the compositions of attention make beside the fused kernel's tensors: kept are the
// probabilities, two i32 indices of the columns that all heads share, and copies of q, k and v with other
// orders of axes; three tensors of scores are alive on the way.
double kept_scores(const Sizes& s) {
  return s.scores ? s.scores * (s.element + 8 / s.heads) + 8 * s.element * s.tokens * s.heads_width : 0;
}
double passing_scores(const Sizes& s) { return 3 * s.element * s.scores; }

// Bytes that one block's operations keep for backward: the inputs of both norms and their outputs, q k v, the
// context and its normalisers, the feed-forward's two inner tensors, and the projected distances.
double kept_by_block(const Sizes& s) {
  const double activations = s.tokens * (4 * s.width + 4 * s.heads_width + 2 * s.feed_forward);
  const double statistics = 4 * s.tokens * (4 + s.heads);  // f32: both norms' mean and deviation, attention
  return s.element * (activations + s.distances * s.heads_width) + statistics + block_copies(s) +
         kept_scores(s);
}

double sinusoids_bytes(const Sizes& s) { return s.element * s.distances * s.width; }

// Peak of one micro-batch, in bytes: while the output layer is undone, or the top block's feed-forward, or
// its attention.
double training_bytes(const Sizes& s, bool recompute) {
  const double hidden = s.element * s.tokens * s.width, inner = s.element * s.tokens * s.feed_forward;
  const double block = kept_by_block(s);
  const double kept = (recompute ? s.layers * hidden : s.layers * block) +
                      (s.dropout ? 2 : 1) * hidden +  // the last block's output, again after dropout
                      output_copy(s) + sinusoids_bytes(s) * (s.dropout ? 2 : 1) + 12 * s.tokens;
  const double logits = s.element * s.tokens * s.vocabulary;
  // The logits' gradient takes their place; an f32 gradient of weights is there until it has been added.
  const double at_output = kept + logits + hidden + 4 * s.vocabulary * s.width;
  const double again = recompute ? block : 0;  // its input is kept already, its output comes instead
  const double gradients = (s.dropout ? 2 : 1) * hidden + inner;
  const double at_block = kept - (s.dropout ? hidden : 0) + again + gradients + 4 * s.width * s.feed_forward;
  const double undone = s.element * (s.tokens * (2 * s.width + 2 * s.feed_forward) +
                                     (s.bf16 ? 2 * s.width * s.feed_forward : 0));
  const double at_attention = kept - (s.dropout ? hidden : 0) + again - undone + hidden +
                              s.element * (4 * s.tokens + s.distances) * s.heads_width + s.distance_sums;
  return std::max({at_output, at_block, at_attention, kept + again + passing_scores(s)});
}

// Peak of scoring sequences: nothing is kept from block to block.
double evaluation_bytes(const Sizes& s) {
  const double copies = block_copies(s) + sinusoids_bytes(s) + s.element * s.distances * s.heads_width;
  const double feed_forward = s.tokens * (5 * s.width + 2 * s.feed_forward);
  const double attention = s.tokens * (3 * s.width + 4 * s.heads_width);
  const double output = s.element * s.tokens * (s.width + s.vocabulary) + output_copy(s);
  return std::max({s.element * feed_forward + copies,
                   s.element * attention + copies + kept_scores(s) + passing_scores(s), output}) +
         12 * s.tokens;
}

double matrix_parameters(const CharLMShape& s) {
  const auto D = static_cast<double>(s.width), A = static_cast<double>(s.heads * s.head_width);
  return static_cast<double>(s.layers) * (4 * D * A + 2 * D * static_cast<double>(s.feed_forward)) +
         static_cast<double>(s.vocabulary) * D;
}

// Forward passes of `rows` sequences of `length`: products, and attention in the band.
Work forward_work(const CharLMShape& s, const CharLMPattern& pattern, double rows, int64_t length) {
  const double tokens = rows * static_cast<double>(length);
  const auto A = static_cast<double>(s.heads * s.head_width);
  Work work{.products = 2 * matrix_parameters(s) * tokens, .attention = 0};
  for (const LayerPattern& layer : pattern.layers) {
    const double keys = static_cast<double>(std::min(layer.window, length)) + 1;
    work.attention += (s.relative_positions ? 6 : 4) * tokens * keys * A;
    const double distances = static_cast<double>(std::min(layer.reach(), length - 1)) + 1;
    if (s.relative_positions) work.products += 2 * distances * static_cast<double>(s.width) * A;
  }
  return work;
}

int64_t scored_sequences(int64_t characters, int64_t length, int64_t step) {
  return 1 + std::max<int64_t>(0, characters - length + step - 1) / step;
}

double scoring_seconds(const CharLMShape& s, const CharLMPattern& pattern, int64_t characters,
                       const Protocol& protocol, const MachineRates& rates) {
  const int64_t length = std::min(protocol.sequence_length, characters);
  const auto sequences = static_cast<double>(scored_sequences(characters, length, protocol.step));
  return seconds_for(forward_work(s, pattern, sequences, length), 1, 1, rates);
}

int64_t scored_characters(const RunConfig& config, const CorpusCounts& corpus) {
  const int64_t limit = config.validation.tokens;
  return limit ? std::min(limit, corpus.validation) : corpus.validation;
}

// The test split is scored at the end of this stage.
bool tests_after(const RunConfig& config, const Stage& stage) {
  return config.evaluation.after_each_stage || stage == resolved_stages(config).back();
}

double stage_seconds(const RunConfig& config, const CharLMShape& shape, const Stage& stage,
                     const CharLMPattern& pattern, const CorpusCounts& corpus, const MachineRates& rates) {
  const Work update =
      forward_work(shape, pattern, static_cast<double>(stage.batch_size), stage.sequence_length);
  // Backward is twice the forward products and 2.5 times the forward attention; recomputation adds a forward.
  const double again = stage.recompute ? 1 : 0;
  const double step = seconds_for(update, 3 + again, 3.5 + again, rates);
  const int64_t steps = planned_steps(stage);
  double training = steps ? static_cast<double>(steps) * step : INFINITY;
  if (stage.minutes > 0) training = std::min(training, 60 * stage.minutes);
  const double validation = scoring_seconds(shape, pattern, scored_characters(config, corpus),
                                            char_lm_protocol(config, Effort::validation, stage), rates);
  const int64_t every = config.validation.every_steps;
  const double validations = every ? std::floor(training / step / static_cast<double>(every)) : 0;
  const double test = tests_after(config, stage)
                          ? scoring_seconds(shape, pattern, corpus.test,
                                            char_lm_protocol(config, Effort::report, stage), rates)
                          : 0;
  return training + (validations + 1) * validation + test;
}

}  // namespace

StageEstimate estimate_stage(const RunConfig& config, const CharLMShape& shape, const Stage& stage,
                             const CorpusCounts& corpus, const MachineRates& rates) {
  const CharLMPattern pattern = char_lm_pattern(config, stage);
  CharLM model(shape);
  const auto parameters = static_cast<double>(count_parameters(model));
  const auto scoring = [&](const Protocol& p, int64_t characters) {
    const int64_t length = std::min(p.sequence_length, characters);
    const int64_t rows = std::min(p.batch_size, scored_sequences(characters, length, p.step));
    return evaluation_bytes(sizes_of(config, shape, pattern, rows, length));
  };
  const double activations = std::max(
      {training_bytes(sizes_of(config, shape, pattern, stage.micro_batch, stage.sequence_length),
                      stage.recompute),
       scoring(char_lm_protocol(config, Effort::validation, stage), scored_characters(config, corpus)),
       tests_after(config, stage) ? scoring(char_lm_protocol(config, Effort::report, stage), corpus.test)
                                  : 0.0});
  StageEstimate result;
  // Values, gradients and two moments, f32.
  result.memory_bytes = static_cast<int64_t>(16 * parameters + activations);
  result.seconds = stage_seconds(config, shape, stage, pattern, corpus, rates);
  result.disk_bytes = disk_bytes(config, stage, count_parameters(model));
  return result;
}

double update_flops(const CharLMShape& shape, const CharLMPattern& pattern, const Stage& stage) {
  return training_flops(
      forward_work(shape, pattern, static_cast<double>(stage.batch_size), stage.sequence_length));
}

}  // namespace lf
