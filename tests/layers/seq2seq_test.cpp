// BART and LED against transformers (tests/reference/make_seq2seq_golden.py): hidden states, logits, loss and
// every gradient, of padded sources, of ragged ones, and of one document at a time.
#include "layers/seq2seq.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

#include "tests/layers/encoder_golden.h"
#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

// What the decoder reads and is to say: the labels of each row that count, behind the start token.
struct GoldenTargets {
  DecoderInput input;
  Tensor labels;                // (M) i32
  std::vector<int64_t> places;  // in (B, T)

  GoldenTargets(const Tensor& padded, int32_t start, int64_t begin, int64_t end) {
    std::vector<int32_t> ids, counted;
    input.offsets = {0};
    for (int64_t b = begin; b < end; ++b) {
      int32_t last = start;
      for (int64_t t = 0; t < padded.dim(1); ++t) {
        const int32_t label = padded.data<int32_t>()[b * padded.dim(1) + t];
        if (label < 0) continue;
        ids.push_back(last), counted.push_back(label);
        places.push_back(b * padded.dim(1) + t);
        last = label;
      }
      input.offsets.push_back(std::ssize(ids));
    }
    input.ids = Tensor::from({std::ssize(ids)}, ids);
    labels = Tensor::from({std::ssize(ids)}, counted);
  }
};

struct GoldenPair {
  SafetensorsFile file;
  Seq2Seq model;
  ParameterBlock block;
  EncoderInput padded;
  Tensor labels;  // (B, T) i32
  GoldenTargets targets;

  GoldenPair(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(golden_seq2seq_shape(file)),
        block(pack(model, dtype)),
        padded(golden_input(file)),
        labels(to_i32(file.read("labels"))),
        targets(labels, model.shape.start_id, 0, labels.dim(0)) {
    read_parameters(file, block);
  }

  Var loss(const EncoderInput& sources, const GoldenTargets& said, bool recomputes = false) const {
    const Pass pass{.compute = block.values.dtype()};
    const Var hidden = model.decode(said.input, model.encode(sources, pass, recomputes), pass, recomputes);
    const Var losses = cross_entropy(model.logits(hidden), said.labels);
    return scale(sum(losses), 1.0 / static_cast<double>(targets.labels.elements()));
  }
};

class Seq2SeqParity : public ::testing::TestWithParam<const char*> {};

TEST_P(Seq2SeqParity, HiddenStatesAndLogitsEqualTransformers) {
  const GoldenPair c(GetParam(), DType::f32);
  const double tolerance = tolerance_of(DType::f32, Compared::model);
  const RaggedBatch ragged = without_padding(c.padded);
  const RaggedBatch said{.input = {}, .places = c.targets.places};
  const EncoderOutput padded = c.model.encode(c.padded, {}), encoded = c.model.encode(ragged.input, {});
  EXPECT_TRUE(compare(encoded.hidden.value(), ragged.of(c.file.read("encoded")), tolerance));
  for (const EncoderOutput* source : {&padded, &encoded}) {
    const Var hidden = c.model.decode(c.targets.input, *source, {});
    EXPECT_TRUE(compare(hidden.value(), said.of(c.file.read("decoded")), tolerance));
    EXPECT_TRUE(compare(c.model.logits(hidden).value(), said.of(c.file.read("logits")), tolerance));
  }
}

TEST_P(Seq2SeqParity, LossAndEveryGradientEqualTransformers) {
  for (const bool recomputes : {false, true}) {
    for (const bool padded : {false, true}) {
      const GoldenPair c(GetParam(), DType::f64);
      const Var loss = c.loss(padded ? c.padded : without_padding(c.padded).input, c.targets, recomputes);
      backward(loss);
      EXPECT_NEAR(loss.value().item(), c.file.read("loss").to_doubles()[0], 1e-6);
      size_t compared = 0;
      for (const std::string& name : c.file.names()) compared += name.starts_with("grad.");
      EXPECT_EQ(compared + 1, c.block.parameters.size());  // final_logits_bias has none
      expect_golden_gradients(c.file, c.block);
    }
  }
}

TEST_P(Seq2SeqParity, DocumentsOneByOneGiveTheBatchsGradient) {
  const GoldenPair batch(GetParam(), DType::f32), alone(GetParam(), DType::f32);
  const EncoderInput ragged = without_padding(batch.padded).input;
  backward(batch.loss(ragged, batch.targets));
  for (int64_t b = 0; b < batch.labels.dim(0); ++b)
    backward(alone.loss(sequence_of(ragged, b),
                        GoldenTargets(alone.labels, alone.model.shape.start_id, b, b + 1)));
  EXPECT_TRUE(
      compare(alone.block.gradients, batch.block.gradients, tolerance_of(DType::f32, Compared::neighbours)));
}

INSTANTIATE_TEST_SUITE_P(Models, Seq2SeqParity, ::testing::Values("seq2seq_bart", "seq2seq_led"));

TEST(Seq2Seq, WhatDoesNotFitIsAnError) {
  const GoldenPair c("seq2seq_bart", DType::f32);
  EncoderInput global = without_padding(c.padded).input;
  global.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1, 1, 1}, {0}});
  EXPECT_ERROR_TEXT(c.model.encode(global, {}), "encoder: BART has no global attention; convert it to LED");
  const EncoderOutput source = c.model.encode(without_padding(c.padded).input, {});
  const auto decode = [&](std::vector<int64_t> offsets) {
    const Tensor ids = Tensor::zeros({offsets.back()}, DType::i32);
    return c.model.decode({ids, offsets}, source, {});
  };
  EXPECT_ERROR_TEXT(decode({0, 2, 4}), "decoder: 2 targets for 3 sources");
  EXPECT_ERROR_TEXT(decode({0, 2, 2, 4}), "decoder: target 1 has no tokens");
  EXPECT_ERROR_TEXT(decode({0, 2, 43, 44}), "decoder: a target of 41 tokens, but the model has 40 positions");
}

}  // namespace
}  // namespace lf
