// Models whose sequences are cut over ranks against one rank: losses, hidden states and all parameters'
// gradients, which are added up over ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

#include "layers/attention_probe.h"
#include "layers/char_lm.h"
#include "layers/encoder.h"
#include "layers/seq2seq.h"
#include "layers/sequence_classifier.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/rows_of_slices.h"
#include "tests/testing.h"

namespace lf {
namespace {

Tensor drawn_ids(const Shape& shape, int32_t vocabulary) {
  std::vector<int32_t> ids;
  for (int64_t n = 0; n < shape.elements(); ++n)
    ids.push_back(static_cast<int32_t>((n * n + 5 * n) % vocabulary));
  return Tensor::from(shape, ids);
}

// What a model gives for each token (N, ...), and the sum of all parameters' gradients.
struct Learned {
  Tensor outputs, gradients;
};

// `run` gives a model's outputs for the rows of a batch, under a pass that knows the slices.
template <class Model>
using OutputsOf = std::function<Var(const Model&, const std::vector<int64_t>& rows, const Pass&)>;

template <class Model>
Learned learned(const std::function<Model()>& make, const OutputsOf<Model>& run,
                const std::vector<int64_t>& rows, const Tensor& cotangent,
                const std::shared_ptr<const SequenceSlices>& slices) {
  Model model = make();
  const ParameterBlock block = pack(model, DType::f64);
  initialise(model, block, 0.3, 5);
  const Pass pass{.training = true, .compute = DType::f64, .seed = 9, .step = 2, .slices = slices};
  const Var y = run(model, rows, pass);
  tape().backward(y, chosen(cotangent, rows));
  return {y.value(), block.gradients};
}

// cotangent (N, ...): of all sequences' outputs.
template <class Model>
void expect_ranks_give_the_same(int ranks, const std::vector<int64_t>& lengths, const Tensor& cotangent,
                                const std::function<Model()>& make, const OutputsOf<Model>& run) {
  std::vector<int64_t> all(static_cast<size_t>(cotangent.dim(0)));
  std::iota(all.begin(), all.end(), 0);
  const Learned expected = learned<Model>(make, run, all, cotangent, nullptr);
  ASSERT_TRUE(std::ranges::any_of(expected.gradients.to_doubles(), [](double d) { return std::abs(d) > 1; }));
  const Tensor outputs = Tensor::zeros_like(expected.outputs);
  std::mutex mutex;
  run_ranks(ranks, [&](const std::shared_ptr<Communicator>& communicator) {
    const auto slices = std::make_shared<const SequenceSlices>(SequenceSlices{communicator, lengths});
    const std::vector<int64_t> rows = rows_of_rank(*slices, communicator->rank());
    const Learned mine = learned<Model>(make, run, rows, cotangent, slices);
    communicator->sum(mine.gradients);
    const std::lock_guard lock(mutex);
    put(mine.outputs, rows, outputs);
    EXPECT_CLOSE(mine.gradients, expected.gradients, tolerance_of(DType::f64, Compared::model));
  });
  EXPECT_CLOSE(outputs, expected.outputs, tolerance_of(DType::f64, Compared::model));
}

class SlicedCharLM : public testing::TestWithParam<bool> {};

TEST_P(SlicedCharLM, LossesAndGradientsEqualOneRanks) {
  constexpr int64_t kSequences = 2, kTokens = 50;
  const CharLMShape shape = CharLMShape{.vocabulary = 30,
                                        .layers = 2,
                                        .width = 32,
                                        .heads = 4,
                                        .feed_forward = 64,
                                        .dropout = 0,
                                        .attention_dropout = 0.2}
                                .complete();
  const CharLMPattern pattern{.layers = {{4, {}}, {9, {1, 1, 2, 3}}}, .recompute = GetParam()};
  const Tensor ids = drawn_ids({kSequences * kTokens}, 30), targets = drawn_ids({kSequences * kTokens}, 29);
  const OutputsOf<CharLM> run = [&](const CharLM& model, const std::vector<int64_t>& rows, const Pass& pass) {
    const Shape cut{kSequences, std::ssize(rows) / kSequences};
    const Var losses =
        model.losses(chosen(ids, rows).view(cut), chosen(targets, rows).view(cut), pattern, pass);
    return reshape(losses, {std::ssize(rows)});
  };
  expect_ranks_give_the_same<CharLM>(
      3, {kTokens, kTokens}, random_tensor({kSequences * kTokens}, DType::f64, 3),
      [&] { return CharLM(shape); }, run);
}

INSTANTIATE_TEST_SUITE_P(Recompute, SlicedCharLM, testing::Bool());

TEST(SlicedCharLM, DropoutDrawsTheBitsOfTheWholeSequences) {
  constexpr int64_t kSequences = 2, kTokens = 70;
  const CharLMShape shape =
      CharLMShape{.vocabulary = 30, .layers = 2, .width = 32, .heads = 4, .feed_forward = 64, .dropout = 0.2}
          .complete();
  const Tensor ids = drawn_ids({kSequences * kTokens}, 30);
  const CharLMPattern pattern{.layers = {{4, {}}, {9, {1, 1, 2, 3}}}};
  const OutputsOf<CharLM> run = [&](const CharLM& model, const std::vector<int64_t>& rows, const Pass& pass) {
    const Shape cut{kSequences, std::ssize(rows) / kSequences};
    const Var logits = model.logits(chosen(ids, rows).view(cut), pattern, pass);
    return reshape(logits, {std::ssize(rows), 30});
  };
  expect_ranks_give_the_same<CharLM>(
      3, {kTokens, kTokens}, random_tensor({kSequences * kTokens, 30}, DType::f64, 3),
      [&] { return CharLM(shape); }, run);
}

// Ragged sequences with padding inside, global tokens in several slices and none in others.
struct RaggedTexts {
  std::vector<int64_t> lengths{41, 6, 30};
  Tensor ids = drawn_ids({77}, 40), mask = Tensor::empty({77}, DType::u8);
  std::shared_ptr<const GlobalTokens> globals = std::make_shared<const GlobalTokens>(
      GlobalTokens{.offsets = {0, 3, 3, 5}, .positions = {0, 12, 13, 0, 29}});

  RaggedTexts() {
    for (int64_t n = 0; n < 77; ++n) mask.data<uint8_t>()[n] = n % 11 != 4;
  }
  EncoderInput input(const std::vector<int64_t>& rows, const Pass& pass) const {
    EncoderInput result{.ids = chosen(ids, rows), .mask = chosen(mask, rows), .global_tokens = globals};
    result.offsets =
        pass.slices ? pass.slices->offsets(pass.slices->ranks->rank()) : std::vector<int64_t>{0, 41, 47, 77};
    return result;
  }
};

EncoderShape small_encoder() {
  EncoderShape shape{.vocabulary = 40, .width = 32, .layers = 2, .heads = 4, .feed_forward = 48};
  shape.positions = 64, shape.dropout = 0, shape.attention_dropout = 0.2, shape.windows = {8, 22};
  return shape;
}

class SlicedEncoder : public testing::TestWithParam<bool> {};

TEST_P(SlicedEncoder, HiddenStatesAndGradientsEqualOneRanks) {
  const RaggedTexts texts;
  const OutputsOf<Encoder> run = [&](const Encoder& model, const std::vector<int64_t>& rows,
                                     const Pass& pass) {
    return model(texts.input(rows, pass), pass, GetParam());
  };
  expect_ranks_give_the_same<Encoder>(
      4, texts.lengths, random_tensor({77, 32}, DType::f64, 3), [] { return Encoder(small_encoder()); }, run);
}

INSTANTIATE_TEST_SUITE_P(Recompute, SlicedEncoder, testing::Bool());

TEST(SlicedEncoder, RobertaSeesAllOfTheSequence) {
  EncoderShape shape = small_encoder();
  shape.windows = {};
  RaggedTexts texts;
  texts.globals = nullptr;
  const OutputsOf<Encoder> run = [&](const Encoder& model, const std::vector<int64_t>& rows,
                                     const Pass& pass) { return model(texts.input(rows, pass), pass); };
  expect_ranks_give_the_same<Encoder>(
      3, texts.lengths, random_tensor({77, 32}, DType::f64, 3), [&] { return Encoder(shape); }, run);
}

TEST(SlicedEncoder, DropoutDrawsTheBitsOfTheWholeSequences) {
  EncoderShape shape = small_encoder();
  shape.dropout = 0.2, shape.inner_dropout = 0.1;
  const RaggedTexts texts;
  const OutputsOf<Encoder> run = [&](const Encoder& model, const std::vector<int64_t>& rows,
                                     const Pass& pass) { return model(texts.input(rows, pass), pass); };
  expect_ranks_give_the_same<Encoder>(
      3, texts.lengths, random_tensor({77, 32}, DType::f64, 3), [&] { return Encoder(shape); }, run);
}

// A loss that one rank computes of all ranks' slices.
void expect_loss_of_one(const RaggedTexts& texts,
                        const std::function<Learned(const std::vector<int64_t>& rows,
                                                    const std::shared_ptr<const SequenceSlices>&)>& learn) {
  std::vector<int64_t> all(77);
  std::iota(all.begin(), all.end(), 0);
  const Learned expected = learn(all, nullptr);
  run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto slices = std::make_shared<const SequenceSlices>(SequenceSlices{ranks, texts.lengths});
    const Learned mine = learn(rows_of_rank(*slices, ranks->rank()), slices);
    const int64_t rows = ranks->rank() == 0 ? expected.outputs.dim(0) : 0;
    ASSERT_EQ(mine.outputs.dim(0), rows);
    EXPECT_CLOSE(mine.outputs, expected.outputs.slice(0, rows), tolerance_of(DType::f64, Compared::model));
    ranks->sum(mine.gradients);
    EXPECT_CLOSE(mine.gradients, expected.gradients, tolerance_of(DType::f64, Compared::model));
  });
}

TEST(SlicedClassifier, TheFirstRankHasTheLogits) {
  const RaggedTexts texts;
  EncoderShape shape = small_encoder();
  shape.dropout = 0.2;
  expect_loss_of_one(texts, [&](const std::vector<int64_t>& rows, const auto& slices) {
    SequenceClassifier model(shape, 3);
    const ParameterBlock block = pack(model, DType::f64);
    initialise(model, block, 0.3, 5);
    const Pass pass{.training = true, .compute = DType::f64, .seed = 9, .step = 2, .slices = slices};
    const Var logits = model.logits(texts.input(rows, pass), pass);
    tape().backward(logits, random_tensor(Shape{3, 3}, DType::f64, 4).slice(0, logits.dim(0)));
    return Learned{logits.value(), block.gradients};
  });
}

Seq2SeqShape small_led() {
  Seq2SeqShape shape;
  shape.encoder = small_encoder();
  shape.encoder.reserved_positions = 0;
  shape.decoder_layers = 1, shape.decoder_heads = 4, shape.decoder_feed_forward = 48;
  shape.decoder_positions = 16;
  return shape;
}

TEST(SlicedSeq2Seq, SourcesHiddenStatesAndGradientsEqualOneRanks) {
  const RaggedTexts texts;
  const OutputsOf<Seq2Seq> run = [&](const Seq2Seq& model, const std::vector<int64_t>& rows,
                                     const Pass& pass) {
    return model.encode(texts.input(rows, pass), pass).hidden;
  };
  expect_ranks_give_the_same<Seq2Seq>(
      3, texts.lengths, random_tensor({77, 32}, DType::f64, 3), [] { return Seq2Seq(small_led()); }, run);
}

// The loss of masked words, all of them in the first sequence's beginning, so that most ranks have none.
Learned masked_lm_learned(const RaggedTexts& texts, const std::vector<int64_t>& rows,
                          const std::shared_ptr<const SequenceSlices>& slices) {
  MaskedLM model(small_encoder());
  const ParameterBlock block = pack(model, DType::f64);
  initialise(model, block, 0.3, 5);
  std::vector<int32_t> targets;
  for (const int64_t row : rows) targets.push_back(row < 6 ? static_cast<int32_t>(row + 20) : -1);
  const Pass pass{.training = true, .compute = DType::f64, .seed = 9, .step = 2, .slices = slices};
  const Var loss =
      sum(model.losses(texts.input(rows, pass), Tensor::from({std::ssize(rows)}, targets), pass));
  backward(loss);
  return {loss.value(), block.gradients};
}

TEST(SlicedMaskedLM, RanksWithoutTargetsTrainToo) {
  const RaggedTexts texts;
  std::vector<int64_t> all(77);
  std::iota(all.begin(), all.end(), 0);
  const Learned expected = masked_lm_learned(texts, all, nullptr);
  run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto slices = std::make_shared<const SequenceSlices>(SequenceSlices{ranks, texts.lengths});
    const Learned mine = masked_lm_learned(texts, rows_of_rank(*slices, ranks->rank()), slices);
    ranks->sum(mine.outputs);
    ranks->sum(mine.gradients);
    EXPECT_CLOSE(mine.outputs, expected.outputs, tolerance_of(DType::f64, Compared::model));
    EXPECT_CLOSE(mine.gradients, expected.gradients, tolerance_of(DType::f64, Compared::model));
  });
}

TEST(SlicedModels, WhatNeedsWholeSequencesSaysSo) {
  run_ranks(1, [](const std::shared_ptr<Communicator>& ranks) {
    const RaggedTexts texts;
    const auto slices = std::make_shared<const SequenceSlices>(SequenceSlices{ranks, texts.lengths});
    const Pass pass{.slices = slices};
    const EncoderInput input = texts.input(rows_of_rank(*slices, 0), pass);
    struct Onlooker : AttentionProbe {
      void see(const AttentionInputs&) override {}
    } onlooker;
    Pass watched = pass;
    watched.probe = &onlooker;
    Encoder encoder(small_encoder());
    EXPECT_ERROR_TEXT(encoder(input, watched), "encoder: attention is shown of whole sequences only");
    CharLM characters(CharLMShape{.vocabulary = 40, .layers = 1, .width = 32, .heads = 2}.complete());
    const ParameterBlock block = pack(characters);
    const CharLMPattern loop{.layers = {{4, {}}}, .implementation = AttentionImplementation::loop};
    EXPECT_ERROR_TEXT(characters.logits(drawn_ids({1, 77}, 40), loop, pass),
                      "CharLM: sequences cut over ranks need attention: fused");
    Seq2Seq led(small_led());
    EXPECT_ERROR_TEXT(led.decode({}, {}, pass), "decoder: it attends to whole sources");
  });
}

}  // namespace
}  // namespace lf
