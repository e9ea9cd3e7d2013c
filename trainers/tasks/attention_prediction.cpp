#include "trainers/tasks/attention_prediction.h"

#include <string>
#include <vector>

#include "core/check.h"
#include "layers/attention_weights.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {
namespace {

class WrittenLayers : public AttentionProbe {
 public:
  explicit WrittenLayers(PredictionSink& sink) : sink_(sink) {}

  void see(const AttentionInputs& seen) override {
    sink_.tensor(attention_weights(seen));
    if (most_global_tokens(seen.input) > 0) sink_.tensor(global_attention_weights(seen));
  }

 private:
  PredictionSink& sink_;
};

// In the order in which the layers are seen.
std::vector<TensorSpec> attention_specs(const AttentionPrediction& of, std::span<const Record> records) {
  std::vector<TensorSpec> specs;
  for (const Record& record : records) {
    const EncoderInput input = encoder_input({&record, 1});
    const bool any_global = most_global_tokens(input) > 0;
    CHECK(of.shape.is_longformer() || !any_global, record.where,
          ": the model has full attention and no global tokens; convert it to a Longformer or an LED first");
    for (int64_t layer = 0; layer < of.shape.layers; ++layer) {
      const auto add = [&](const char* name, const Shape& shape) {
        specs.push_back({text(record.id, '.', name, '.', layer), DType::f32, shape});
      };
      add(of.attentions, attention_shape(of.shape, input, layer));
      if (any_global) add(of.global_attentions, global_attention_shape(of.shape, input));
    }
  }
  return specs;
}

}  // namespace

AttentionPrediction attention_of(const Encoder& encoder, DType compute) {
  return {encoder.shape, "attentions", "global_attentions",
          [&encoder](const EncoderInput& input, const Pass& pass) { encoder(input, pass); }, compute};
}

void predict_attention(const AttentionPrediction& of, std::span<const Record> records, PredictionSink& sink) {
  sink.begin_tensors(attention_specs(of, records));
  WrittenLayers layers(sink);
  const auto write = [&](std::span<const Record> one) {
    of.encode(encoder_input(one), {.training = false, .compute = of.compute, .probe = &layers});
    return text(one.front().where, ": ", one.front().id, '.', of.attentions, ".0 to ", of.shape.layers - 1);
  };
  in_batches(records, 1, write,
             [&](std::span<const Record>, const std::string& written) { sink.note(written); });
}

}  // namespace lf
