// The probabilities by which encoders attend: those of transformers with output_attentions=True
// (tests/reference/make_attentions_golden.py), and a plain loop for sequences of many stretches.
#include "layers/attention_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "core/weights/safetensors.h"
#include "layers/encoder.h"
#include "layers/seq2seq.h"
#include "tests/layers/encoder_golden.h"
#include "tests/testing.h"

namespace lf {
namespace {

struct SeenLayers : AttentionProbe {
  std::vector<Tensor> attentions, global_attentions;

  void see(const AttentionInputs& seen) override {
    EXPECT_EQ(seen.layer, static_cast<int64_t>(attentions.size()));
    attentions.push_back(attention_weights(seen));
    EXPECT_EQ(attentions.back().shape(), attention_shape(seen.shape, seen.input, seen.layer));
    if (most_global_tokens(seen.input) == 0) return;
    global_attentions.push_back(global_attention_weights(seen));
    EXPECT_EQ(global_attentions.back().shape(), global_attention_shape(seen.shape, seen.input));
  }
};

struct GoldenAttention {
  const char *name, *model;
  bool full = false;

  SafetensorsFile file() const { return SafetensorsFile(golden(name)); }
  // What the model's encoder is seen to attend by, and its output.
  Tensor run(const EncoderInput& input, AttentionProbe* probe, DType compute = DType::f32) const {
    const SafetensorsFile weights(golden(model));
    const Pass pass{.compute = compute, .probe = probe};
    if (std::string(model).starts_with("seq2seq")) {
      Seq2Seq bart(golden_seq2seq_shape(weights));
      const ParameterBlock block = pack(bart, compute);
      read_parameters(weights, block);
      return bart.encode(input, pass).hidden.value();
    }
    MaskedLM roberta(golden_shape(weights));
    const ParameterBlock block = pack(roberta, compute);
    read_parameters(weights, block);
    return roberta.encoder(input, pass).value();
  }

 private:
  static std::string golden(const std::string& name) {
    return source_path("tests/golden/" + name + ".safetensors");
  }
};
void PrintTo(const GoldenAttention& c, std::ostream* out) { *out << c.name; }

class AttentionWeights : public ::testing::TestWithParam<GoldenAttention> {};

// Row b of x (B, H, T, C) with its first `length` tokens and the columns that `keep` accepts.
template <class F>
Tensor part_of(const Tensor& x, int64_t b, int64_t length, int64_t columns, F&& keep) {
  std::vector<float> values;
  for (int64_t h = 0; h < x.dim(1); ++h) {
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t c = 0; c < x.dim(3); ++c) {
        if (keep(c)) values.push_back(x.data<float>()[((b * x.dim(1) + h) * x.dim(2) + t) * x.dim(3) + c]);
      }
    }
  }
  return Tensor::from({1, x.dim(1), length, columns}, values);
}

TEST_P(AttentionWeights, EqualTransformers) {
  const SafetensorsFile expected = GetParam().file();
  for (const DType compute : {DType::f32, DType::f64}) {
    SeenLayers seen;
    GetParam().run(golden_input(expected), &seen, compute);
    ASSERT_EQ(seen.attentions.size() + seen.global_attentions.size(), expected.names().size() - 3);
    for (size_t i = 0; i < seen.attentions.size(); ++i) {
      EXPECT_TRUE(compare(seen.attentions[i], expected.read(text("attentions.", i)),
                          tolerance_of(DType::f32, Compared::model)))
          << i;
    }
    for (size_t i = 0; i < seen.global_attentions.size(); ++i) {
      EXPECT_TRUE(compare(seen.global_attentions[i], expected.read(text("global_attentions.", i)),
                          tolerance_of(DType::f32, Compared::model)))
          << i;
    }
  }
}

// Without its padding and its batch-mates: its own part of what the batch has.
TEST_P(AttentionWeights, OfASequenceAloneAreThoseInTheBatch) {
  const SafetensorsFile expected = GetParam().file();
  const EncoderInput padded = golden_input(expected), batch = without_padding(padded).input;
  for (int64_t b = 0; b + 1 < std::ssize(batch.offsets); ++b) {
    const EncoderInput alone = sequence_of(batch, b);
    SeenLayers seen;
    GetParam().run(alone, &seen);
    const int64_t T = alone.longest(), own = most_global_tokens(alone), most = most_global_tokens(padded);
    for (size_t i = 0; i < seen.attentions.size(); ++i) {
      const Tensor all = expected.read(text("attentions.", i));
      const int64_t columns = seen.attentions[i].dim(3), end = GetParam().full ? T : all.dim(3);
      const auto keep = [&](int64_t c) { return c < own || (c >= most && c < end); };
      EXPECT_TRUE(compare(seen.attentions[i], part_of(all, b, T, columns, keep),
                          tolerance_of(DType::f32, Compared::model)))
          << b << ' ' << i;
    }
    for (size_t i = 0; i < seen.global_attentions.size(); ++i) {
      const Tensor all = expected.read(text("global_attentions.", i));
      EXPECT_TRUE(compare(seen.global_attentions[i],
                          part_of(all, b, T, own, [&](int64_t c) { return c < own; }),
                          tolerance_of(DType::f32, Compared::model)))
          << b << ' ' << i;
    }
  }
}

TEST_P(AttentionWeights, SeeingThemChangesNothing) {
  const EncoderInput input = golden_input(GetParam().file());
  SeenLayers seen;
  EXPECT_EQ(GetParam().run(input, &seen).to_doubles(), GetParam().run(input, nullptr).to_doubles());
}

INSTANTIATE_TEST_SUITE_P(Models, AttentionWeights,
                         ::testing::Values(GoldenAttention{"attentions_longformer", "encoder_longformer"},
                                           GoldenAttention{"attentions_longformer_local",
                                                           "encoder_longformer_local"},
                                           GoldenAttention{"attentions_led", "seq2seq_led"},
                                           GoldenAttention{"attentions_roberta", "encoder_roberta", true},
                                           GoldenAttention{"attentions_bart", "seq2seq_bart", true}),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

// Two sequences of 600 tokens, of which some are padded, also between others, and some global.
struct LongSequences {
  EncoderShape shape;
  EncoderInput input;
  Tensor q = random_tensor({1200, 2, 4}, DType::f32, 1), k = random_tensor({1200, 2, 4}, DType::f32, 2);
  Tensor q_global = random_tensor({3, 2, 4}, DType::f32, 3),
         k_global = random_tensor({1200, 2, 4}, DType::f32, 4);

  explicit LongSequences(std::vector<int64_t> windows) {
    shape.width = 8, shape.heads = 2, shape.layers = 1, shape.windows = std::move(windows);
    std::vector<uint8_t> mask(1200, 1);
    for (const size_t padded : {255u, 256u, 300u, 1198u, 1199u}) mask[padded] = 0;
    input.ids = Tensor::zeros({2, 600}, DType::i32);
    input.mask = Tensor::from({2, 600}, mask);
    if (shape.is_longformer())
      input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 2, 3}, {0, 300, 511}});
  }
  bool is_key(int64_t b, int64_t t) const {
    return t >= 0 && t < 600 && input.mask.data<uint8_t>()[b * 600 + t] != 0;
  }
  // The global tokens that are left: position 300 of the first sequence is padded.
  bool is_global(int64_t b, int64_t t) const { return shape.is_longformer() && t == (b == 0 ? 0 : 511); }

  static double exponential(const Tensor& q, int64_t i, const Tensor& k, int64_t j, int64_t h) {
    double score = 0;
    for (int64_t n = 0; n < 4; ++n)
      score += q.data<float>()[(i * 2 + h) * 4 + n] * k.data<float>()[(j * 2 + h) * 4 + n];
    return std::exp(score / 2);
  }
  // Of query t to the key of each column; -1: none.
  std::vector<double> row(int64_t b, int64_t h, int64_t t, const std::vector<int64_t>& keys) const {
    std::vector<double> values(keys.size(), 0.0);
    double sum = 0;
    for (size_t c = 0; c < keys.size(); ++c) {
      if (keys[c] >= 0) sum += values[c] = exponential(q, b * 600 + t, k, b * 600 + keys[c], h);
    }
    for (double& value : values) value = sum > 0 ? value / sum : 0;
    return values;
  }
};

TEST(AttentionWeightsOfLongSequences, EqualThePlainLoop) {
  for (const int64_t window : {20, 700, 0}) {
    const LongSequences c(window > 0 ? std::vector{window} : std::vector<int64_t>());
    std::vector<float> expected;
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t h = 0; h < 2; ++h) {
        for (int64_t t = 0; t < 600; ++t) {
          const bool sees = c.is_key(b, t) && !c.is_global(b, t);
          std::vector<int64_t> keys;
          if (window > 0) keys.push_back(sees ? (b == 0 ? 0 : 511) : -1);
          const int64_t first = window > 0 ? t - window / 2 : 0, last = window > 0 ? t + window / 2 : 599;
          for (int64_t j = first; j <= last; ++j)
            keys.push_back(sees && c.is_key(b, j) && !c.is_global(b, j) ? j : -1);
          for (const double value : c.row(b, h, t, keys)) expected.push_back(static_cast<float>(value));
        }
      }
    }
    const Tensor received = attention_weights({c.shape, c.input, 0, c.q, c.k});
    EXPECT_TRUE(compare(received, Tensor::from(received.shape(), expected),
                        tolerance_of(DType::f32, Compared::attention)))
        << window;
  }
}

TEST(AttentionWeightsOfLongSequences, GlobalOnesEqualThePlainLoop) {
  const LongSequences c({20});
  std::vector<float> expected(2 * 2 * 600);
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t h = 0; h < 2; ++h) {
      double sum = 0;
      std::vector<double> row(600, 0.0);
      for (int64_t t = 0; t < 600; ++t) {
        if (c.is_key(b, t))  // the padded one's query stands between the two others
          sum += row[static_cast<size_t>(t)] =
              LongSequences::exponential(c.q_global, 2 * b, c.k_global, b * 600 + t, h);
      }
      for (size_t t = 0; t < 600; ++t)
        expected[static_cast<size_t>(b * 2 + h) * 600 + t] = static_cast<float>(row[t] / sum);
    }
  }
  const Tensor received = global_attention_weights({c.shape, c.input, 0, c.q, c.k, c.q_global, c.k_global});
  EXPECT_TRUE(compare(received, Tensor::from({2, 2, 600, 1}, expected),
                      tolerance_of(DType::f32, Compared::attention)));
}

TEST(AttentionWeightsOfLongSequences, UnequalLengthsAreRefused) {
  EncoderShape shape;
  EncoderInput input{.ids = Tensor::zeros({5}, DType::i32), .mask = {}, .global_tokens = nullptr};
  input.offsets = {0, 2, 5};
  EXPECT_ERROR_TEXT(attention_shape(shape, input, 0), "sequence 1 has 3 tokens, the first has 2");
}

}  // namespace
}  // namespace lf
