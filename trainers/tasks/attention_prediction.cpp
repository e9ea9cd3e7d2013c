#include "trainers/tasks/attention_prediction.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "layers/attention_weights.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {
namespace {

// The shape of one layer's attentions, where every layer has the columns of that with the largest window.
Shape widest(const EncoderShape& shape, const EncoderInput& input) {
  const auto& windows = shape.windows;  // none: all layers are alike
  return attention_shape(shape, input, std::max_element(windows.begin(), windows.end()) - windows.begin());
}

// A layer's attentions with so many columns: a narrower band lies in the middle of the widest, between zeros.
Tensor widened(const Tensor& narrow, int64_t globals, int64_t columns) {
  const int64_t own = narrow.dim(3);
  if (own == columns) return narrow;
  Tensor wide = Tensor::zeros({narrow.dim(0), narrow.dim(1), narrow.dim(2), columns}, DType::f32);
  const int64_t rows = narrow.elements() / own;
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = narrow.data<float>() + row * own;
    float* to = wide.data<float>() + row * columns;
    std::copy_n(from, globals, to);
    std::copy_n(from + globals, own - globals, to + globals + (columns - own) / 2);
  }
  return wide;
}

Tensor as_layer(const Tensor& x) { return x.view({1, x.dim(0), x.dim(1), x.dim(2), x.dim(3)}); }
Shape of_layers(int64_t layers, const Shape& one) { return {layers, one[0], one[1], one[2], one[3]}; }

// Writes the attentions as they come, and keeps those of the global tokens, which come behind them.
class WrittenLayers : public AttentionProbe {
 public:
  explicit WrittenLayers(PredictionSink& sink) : sink_(sink) {}

  void see(const AttentionInputs& seen) override {
    const int64_t globals = most_global_tokens(seen.input);
    sink_.part(as_layer(widened(attention_weights(seen), globals, widest(seen.shape, seen.input)[3])));
    if (globals > 0) global_.push_back(global_attention_weights(seen));
  }
  void write_global() {
    for (const Tensor& layer : std::exchange(global_, {})) sink_.part(as_layer(layer));
  }

 private:
  PredictionSink& sink_;
  std::vector<Tensor> global_;
};

std::vector<TensorSpec> attention_specs(const EncoderShape& shape, std::span<const Record> records) {
  std::vector<TensorSpec> specs;
  for (const Record& record : records) {
    const EncoderInput input = encoder_input({&record, 1});
    const bool any_global = most_global_tokens(input) > 0;
    CHECK(shape.is_longformer() || !any_global, record.where,
          ": the model has full attention and no global tokens; convert it to a Longformer or an LED first");
    specs.push_back({record.id + ".attentions", DType::f32, of_layers(shape.layers, widest(shape, input))});
    if (any_global)
      specs.push_back({record.id + ".global_attentions", DType::f32,
                       of_layers(shape.layers, global_attention_shape(shape, input))});
  }
  return specs;
}

}  // namespace

AttentionPrediction attention_of(const Encoder& encoder, DType compute) {
  return {encoder.shape, [&encoder](const EncoderInput& input, const Pass& pass) { encoder(input, pass); },
          compute};
}

void predict_attention(const AttentionPrediction& of, std::span<const Record> records, PredictionSink& sink) {
  sink.begin_tensors(attention_specs(of.shape, records));
  WrittenLayers layers(sink);
  const auto write = [&](std::span<const Record> one) {
    of.encode(encoder_input(one), {.training = false, .compute = of.compute, .probe = &layers});
    layers.write_global();
    return text(one.front().where, ": ", one.front().id, ".attentions of ", of.shape.layers, " layers");
  };
  in_batches(records, 1, sink, write,
             [&](std::span<const Record>, const std::string& written) { sink.note(written); });
}

}  // namespace lf
