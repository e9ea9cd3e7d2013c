#include "trainers/tasks/char_lm_estimate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "trainers/tasks/char_lm_task.h"

namespace lf {
namespace {

double seconds_of(const std::function<void()>& work) {
  double best = INFINITY;
  for (int repeat = 0; repeat < 4; ++repeat) {  // the first also warms up
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// The sizes of one forward pass in elements.
struct Sizes {
  double tokens, width, heads_width, feed_forward, vocabulary, layers;
};

Sizes sizes_of(const CharLMShape& s, double tokens) {
  return {tokens,
          static_cast<double>(s.width),
          static_cast<double>(s.heads * s.head_width),
          static_cast<double>(s.feed_forward),
          static_cast<double>(s.vocabulary),
          static_cast<double>(s.layers)};
}

// What one block's operations keep for backward: the inputs of both norms and their outputs, q k v, the
// context, and the feed-forward's two inner tensors.
double kept_by_block(const Sizes& s) {
  return s.tokens * (4 * s.width + 4 * s.heads_width + 2 * s.feed_forward);
}

double training_elements(const Sizes& s, bool recompute) {
  const double block = kept_by_block(s), input = s.tokens * s.width;
  const double kept = recompute ? s.layers * input + block : s.layers * block;
  const double logits = s.tokens * (s.width + s.vocabulary);
  // While the top block's feed-forward is undone: its gradient and two inner ones.
  const double backward = std::max(s.tokens * s.vocabulary, s.tokens * (2 * s.feed_forward + 2 * s.width));
  return kept + logits + backward;
}

double evaluation_elements(const Sizes& s) {
  const double inner = std::max(2 * s.feed_forward + 2 * s.width, 4 * s.heads_width + 2 * s.width);
  return s.tokens * std::max(inner, s.width + s.vocabulary);
}

double matrix_parameters(const CharLMShape& s) {
  const auto D = static_cast<double>(s.width), A = static_cast<double>(s.heads * s.head_width);
  return static_cast<double>(s.layers) * (4 * D * A + 2 * D * static_cast<double>(s.feed_forward)) +
         static_cast<double>(s.vocabulary) * D;
}

// Multiply-adds count two. Forward passes of `rows` sequences of `length`: products, and attention in the
// band.
struct Work {
  double products = 0, attention = 0;
};

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

double seconds_for(const Work& work, double factor_products, double factor_attention,
                   const MachineRates& rates) {
  // Norms, activations and the update pass over memory once or twice: a tenth more, as profiles of training
  // show.
  constexpr double kEverythingElse = 1.1;
  return kEverythingElse * (factor_products * work.products / rates.product_flops +
                            factor_attention * work.attention / rates.attention_flops);
}

double evaluation_seconds(const CharLMShape& s, const CharLMPattern& pattern, int64_t tokens, int64_t length,
                          int64_t step, const MachineRates& rates) {
  const int64_t used = std::min(length, tokens);
  const double windows = 1 + std::ceil(static_cast<double>(tokens - used) / static_cast<double>(step));
  return seconds_for(forward_work(s, pattern, windows, used), 1, 1, rates);
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
  const ValidationSection& v = config.validation;
  const int64_t length = v.sequence_length ? v.sequence_length : stage.sequence_length;
  const int64_t scored = v.tokens ? std::min(v.tokens, corpus.validation) : corpus.validation;
  const double validation = evaluation_seconds(shape, pattern, scored, length,
                                               v.step ? v.step : std::max<int64_t>(1, length / 2), rates);
  const double validations =
      v.every_steps ? std::floor(training / step / static_cast<double>(v.every_steps)) : 0;
  const EvaluationSection& e = config.evaluation;
  const double test = e.after_each_stage
                          ? evaluation_seconds(shape, pattern, corpus.test, e.sequence_length, e.step, rates)
                          : 0;
  return training + (validations + 1) * validation + test;
}

}  // namespace

MachineRates measure_rates(DType compute) {
  const NoGrad no_grad;
  constexpr int64_t kTokens = 1024, kWidth = 512, kHeads = 8, kWindow = 64;
  const Tensor x = Tensor::full({kTokens, kWidth}, compute, 0.5),
               w = Tensor::full({4 * kWidth, kWidth}, compute, 0.5);
  MachineRates rates;
  rates.product_flops = 2.0 * kTokens * kWidth * 4 * kWidth / seconds_of([&] { linear(x, w); });
  const Tensor qkv = Tensor::full({1, kTokens, 3, kHeads, kWidth / kHeads}, compute, 0.1);
  const AttentionPattern pattern{
      .left = kWindow, .right = 0, .dilation = {}, .key_mask = {}, .global_tokens = nullptr, .dropout = {}};
  rates.attention_flops =
      4.0 * kTokens * (kWindow + 1) * kWidth / seconds_of([&] { window_attention(qkv, pattern); });
  return rates;
}

StageEstimate estimate_stage(const RunConfig& config, const CharLMShape& shape, const Stage& stage,
                             const CharLMPattern& pattern, const CorpusCounts& corpus,
                             const MachineRates& rates) {
  const auto parameters = static_cast<double>(count_parameters(*std::make_unique<CharLM>(shape)));
  const double element = compute_dtype(config) == DType::bf16 ? 2 : 4;
  const EvaluationSection& e = config.evaluation;
  const Sizes training = sizes_of(shape, static_cast<double>(stage.micro_batch * stage.sequence_length));
  const Sizes evaluation = sizes_of(
      shape,
      static_cast<double>(e.batch_size * std::min(e.sequence_length, std::max<int64_t>(corpus.test, 1))));
  const double activations =
      std::max(training_elements(training, stage.recompute), evaluation_elements(evaluation));
  StageEstimate result;
  // Values, gradients and two moments; in bf16 the matrices are held once more.
  result.memory_bytes =
      static_cast<int64_t>(16 * parameters + element * activations + (element == 2 ? 2 * parameters : 0));
  result.seconds = stage_seconds(config, shape, stage, pattern, corpus, rates);
  const double kept =
      static_cast<double>(config.checkpoint.keep_last) + (config.checkpoint.keep_best ? 1 : 0) + 1;
  const auto lines = static_cast<double>(planned_steps(stage)) / static_cast<double>(config.log.every_steps);
  result.disk_bytes = static_cast<int64_t>(12 * parameters * kept + 500 * lines);
  return result;
}

}  // namespace lf
