#include "tests/layers/encoder_golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/kernels/convert.h"

namespace lf {

Tensor to_i32(const Tensor& x) {
  std::vector<int32_t> values;
  for (const double v : x.to_doubles()) values.push_back(static_cast<int32_t>(v));
  return Tensor::from(x.shape(), values);
}

EncoderShape golden_shape(const SafetensorsFile& file) {
  EncoderShape shape;
  for (const double w : file.read("config.windows").to_doubles())
    shape.windows.push_back(static_cast<int64_t>(w));
  const std::string prefix = shape.windows.empty() ? "roberta." : "longformer.";
  const Shape words = file.info(prefix + "embeddings.word_embeddings.weight").shape;
  shape.vocabulary = words[0], shape.width = words[1], shape.heads = 4;
  shape.layers = 0;
  while (file.contains(text(prefix, "encoder.layer.", shape.layers, ".output.dense.bias"))) ++shape.layers;
  shape.feed_forward = file.info(prefix + "encoder.layer.0.intermediate.dense.bias").shape[0];
  shape.positions = file.info(prefix + "embeddings.position_embeddings.weight").shape[0];
  shape.dropout = shape.attention_dropout = 0;
  return shape;
}

Seq2SeqShape golden_seq2seq_shape(const SafetensorsFile& file) {
  Seq2SeqShape shape;
  EncoderShape& encoder = shape.encoder;
  for (const double w : file.read("config.windows").to_doubles())
    encoder.windows.push_back(static_cast<int64_t>(w));
  const std::string model = encoder.windows.empty() ? "model." : "led.";
  const auto count = [&](const std::string& side) {
    int64_t layers = 0;
    while (file.contains(text(model, side, ".layers.", layers, ".fc1.bias"))) ++layers;
    return layers;
  };
  encoder.vocabulary = file.info(model + "shared.weight").shape[0];
  encoder.width = file.info(model + "shared.weight").shape[1];
  encoder.heads = 4, encoder.layers = count("encoder");
  encoder.feed_forward = file.info(model + "encoder.layers.0.fc1.bias").shape[0];
  encoder.positions = file.info(model + "encoder.embed_positions.weight").shape[0];
  encoder.reserved_positions = shape.is_led() ? 0 : 2;
  encoder.dropout = encoder.attention_dropout = 0;
  shape.decoder_layers = count("decoder"), shape.decoder_heads = 2;
  shape.decoder_feed_forward = file.info(model + "decoder.layers.0.fc1.bias").shape[0];
  shape.decoder_positions = file.info(model + "decoder.embed_positions.weight").shape[0];
  shape.scales_embeddings = file.read("config.scaled").to_doubles()[0] != 0;
  return shape;
}

EncoderInput golden_input(const SafetensorsFile& file) {
  EncoderInput input;
  input.ids = to_i32(file.read("ids"));
  const std::vector<double> mask = file.read("mask").to_doubles(), global = file.read("global").to_doubles();
  std::vector<uint8_t> valid;
  for (const double v : mask) valid.push_back(v != 0);
  input.mask = Tensor::from(input.ids.shape(), valid);
  auto tokens = std::make_shared<GlobalTokens>();
  for (int64_t b = 0; b < input.ids.dim(0); ++b) {
    tokens->offsets.push_back(std::ssize(tokens->positions));
    for (int64_t t = 0; t < input.ids.dim(1); ++t) {  // a padded token is not global
      const auto i = static_cast<size_t>(b * input.ids.dim(1) + t);
      if (global[i] != 0 && mask[i] != 0) tokens->positions.push_back(t);
    }
  }
  tokens->offsets.push_back(std::ssize(tokens->positions));
  input.global_tokens = tokens;
  return input;
}

Tensor RaggedBatch::of(const Tensor& x) const {
  std::vector<int64_t> dims = x.shape().dims();
  dims.erase(dims.begin());
  dims[0] = std::ssize(places);
  Tensor result = Tensor::empty(Shape(dims), x.dtype());
  const int64_t inner = result.elements() / std::ssize(places), rows = x.elements() / inner;
  const Tensor from = x.view({rows, inner});
  Tensor to = result.view({std::ssize(places), inner});
  for (int64_t n = 0; n < std::ssize(places); ++n) {
    const int64_t place = places[static_cast<size_t>(n)];
    to.slice(n, n + 1).copy_from(from.slice(place, place + 1));
  }
  return result;
}

RaggedBatch without_padding(const EncoderInput& padded) {
  const int64_t B = padded.ids.dim(0), T = padded.ids.dim(1);
  RaggedBatch batch;
  batch.input.offsets = {0};
  for (int64_t n = 0; n < B * T; ++n) {
    if (padded.mask.data<uint8_t>()[n] != 0) batch.places.push_back(n);
    if ((n + 1) % T == 0) batch.input.offsets.push_back(std::ssize(batch.places));
  }
  batch.input.ids = batch.of(padded.ids);
  batch.input.global_tokens = padded.global_tokens;
  return batch;
}

EncoderInput sequence_of(const EncoderInput& ragged, int64_t b) {
  const auto i = static_cast<size_t>(b);
  EncoderInput one;
  one.ids = ragged.ids.slice(ragged.offsets[i], ragged.offsets[i + 1]);
  one.offsets = {0, one.ids.elements()};
  const auto& [offsets, positions] = *ragged.global_tokens;
  GlobalTokens own{{0}, {positions.begin() + offsets[i], positions.begin() + offsets[i + 1]}};
  own.offsets.push_back(std::ssize(own.positions));
  one.global_tokens = std::make_shared<GlobalTokens>(std::move(own));
  return one;
}

void read_parameters(const SafetensorsFile& file, const ParameterBlock& block) {
  for (const PackedParameter& p : block.parameters)
    block.value(p).copy_from(cast(file.read(p.name), block.values.dtype()));
}

void expect_golden_gradients(const SafetensorsFile& file, const ParameterBlock& block) {
  double largest = 0;
  for (const PackedParameter& p : block.parameters) {
    if (!file.contains("grad." + p.name)) continue;
    for (const double g : file.read("grad." + p.name).to_doubles()) largest = std::max(largest, std::abs(g));
  }
  ASSERT_GT(largest, 1e-3);
  for (const PackedParameter& p : block.parameters) {
    if (!file.contains("grad." + p.name)) continue;
    const std::vector<double> expected = file.read("grad." + p.name).to_doubles();
    const std::vector<double> received = block.gradient(p).to_doubles();
    double scale = 0, worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      scale = std::max(scale, std::abs(expected[i]));
      worst = std::max(worst, std::abs(expected[i] - received[i]));
    }
    EXPECT_LE(worst, 1e-5 * scale + 1e-9 * largest) << p.name << ", largest " << scale;
  }
}

}  // namespace lf
