#include "trainers/tasks/char_lm_model.h"

#include <algorithm>
#include <cstddef>

#include "core/check.h"

namespace lf {
CharLMShape char_lm_shape(const RunConfig& config, int64_t vocabulary) {
  const ModelSection& m = config.model;
  CHECK(m.vocabulary == 0 || m.vocabulary >= vocabulary, "model.vocabulary is ", m.vocabulary,
        ", but data.path ", config.data.path, " has ", vocabulary, " symbols");
  CharLMShape shape = m.complete();
  shape.vocabulary = m.vocabulary ? m.vocabulary : vocabulary;
  return shape;
}

CharLMPattern char_lm_pattern(const RunConfig& config, const Stage& stage) {
  CharLMPattern pattern{
      .layers = {}, .implementation = config.attention.implementation, .recompute = stage.recompute};
  for (size_t i = 0; i < stage.windows.size(); ++i) {
    LayerPattern layer{.window = stage.windows[i], .dilation = {}};
    if (stage.dilation[i] > 1) {
      layer.dilation.assign(static_cast<size_t>(config.model.heads), 1);
      // The last heads are the dilated ones; the paper does not say which two are.
      const auto heads = static_cast<std::ptrdiff_t>(stage.dilated_heads);
      std::fill(layer.dilation.end() - heads, layer.dilation.end(), static_cast<int32_t>(stage.dilation[i]));
    }
    pattern.layers.push_back(layer);
  }
  return pattern;
}

Protocol char_lm_protocol(const RunConfig& config, Effort effort, const Stage& stage) {
  if (effort == Effort::report) {
    const EvaluationSection& e = config.evaluation;
    return {.sequence_length = e.sequence_length, .step = e.step, .batch_size = e.batch_size, .tokens = 0};
  }
  const ValidationSection& v = config.validation;
  const int64_t length = v.sequence_length ? v.sequence_length : stage.sequence_length;
  const int64_t step = v.step ? std::min(v.step, length) : std::max<int64_t>(1, length / 2);
  return {.sequence_length = length, .step = step, .batch_size = v.batch_size, .tokens = v.tokens};
}

void check_corpus_fits(const CorpusFiles& corpus, const Stage& stage) {
  CHECK(corpus.train->count() > stage.sequence_length, corpus.train->path(), ": ", corpus.train->count(),
        " training characters hold no sequence of ", stage.name, ", which needs ", stage.sequence_length + 1);
  for (const auto& file : {corpus.validation, corpus.test}) {
    CHECK(file->count() >= 2, file->path(), ": a split of ", file->count(),
          " character cannot be scored, needed at least 2 to predict one");
  }
}

}  // namespace lf
