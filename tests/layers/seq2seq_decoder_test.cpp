// Writing token by token with a cache gives the logits of the whole text at once, whatever became of the
// other texts and sources meanwhile.
#include "layers/seq2seq_decoder.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <utility>
#include <vector>

#include "tests/testing.h"

namespace lf {
namespace {

Seq2SeqShape tiny_shape(std::vector<int64_t> windows) {
  Seq2SeqShape shape;
  shape.encoder = {.vocabulary = 61, .width = 24, .layers = 2, .heads = 3, .feed_forward = 40};
  shape.encoder.windows = std::move(windows);
  shape.encoder.reserved_positions = shape.is_led() ? 0 : 2;
  shape.encoder.positions = shape.decoder_positions = 150;
  shape.decoder_layers = 2, shape.decoder_heads = 2, shape.decoder_feed_forward = 32;
  return shape;
}

class Seq2SeqDecoding : public ::testing::TestWithParam<bool> {
 protected:
  Seq2SeqDecoding()
      : model_(tiny_shape(GetParam() ? std::vector<int64_t>{4, 6} : std::vector<int64_t>{})),
        block_(pack(model_)) {
    uint32_t seed = 1;
    for (const PackedParameter& p : block_.parameters)
      block_.value(p).copy_from(random_tensor(p.shape, DType::f32, seed++, 0.3));
  }
  EncoderOutput source(int64_t tokens) {
    const NoGrad no_grad;
    EncoderInput input;
    input.ids = ids(tokens), input.offsets = {0, tokens};
    if (model_.shape.is_led())
      input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {0}});
    return model_.encode(input, {});
  }
  Tensor ids(int64_t count) {
    std::vector<int32_t> values;
    for (int64_t n = 0; n < count; ++n) values.push_back(static_cast<int32_t>(draw_() % 61));
    return Tensor::from({count}, values);
  }
  // Logits behind the last token, without a cache.
  Tensor whole(const std::vector<int32_t>& text, const EncoderOutput& from) {
    const NoGrad no_grad;
    const int64_t tokens = std::ssize(text);
    const Var hidden = model_.decode({Tensor::from({tokens}, text), {0, tokens}}, from, {});
    return model_.logits(hidden.value().slice(tokens - 1, tokens)).value();
  }

  Seq2Seq model_;
  ParameterBlock block_;
  std::mt19937 draw_{7};
};

// Two sources with two and three texts; texts take over others' beginnings, the first source leaves, another
// comes; long enough for the caches to grow.
TEST_P(Seq2SeqDecoding, TextsByTokenEqualTextsAtOnce) {
  struct Row {
    std::vector<int32_t> text;
    size_t source;
  };
  std::vector<EncoderOutput> sources{source(9), source(31), source(1)};
  Seq2SeqDecoder decoder(model_);
  std::vector<Row> rows;
  const auto add = [&](size_t number, int64_t texts) {
    decoder.add(sources[number], texts);
    rows.insert(rows.end(), static_cast<size_t>(texts), Row{{}, number});
  };
  const auto reorder = [&](const std::vector<int32_t>& parents) {
    std::vector<Row> before = rows;
    rows.clear();
    for (const int32_t parent : parents) rows.push_back(before[static_cast<size_t>(parent)]);
    decoder.reorder(parents);
  };
  add(0, 2);
  add(1, 3);
  for (int step = 0; step < 90; ++step) {
    const Tensor next = ids(decoder.rows());
    for (size_t r = 0; r < rows.size(); ++r) rows[r].text.push_back(next.data<int32_t>()[r]);
    const Tensor logits = decoder.next(next);
    if (step % 8 == 0 || step > 63) {
      for (size_t r = 0; r < rows.size(); ++r) {
        const auto row = static_cast<int64_t>(r);
        ASSERT_TRUE(compare(logits.slice(row, row + 1), whole(rows[r].text, sources[rows[r].source]),
                            tolerance_of(DType::f32, Compared::model)))
            << "row " << r << ", step " << step;
      }
    }
    if (step == 3) reorder({1, 1, 4, 2, 4});
    if (step == 5) reorder({1, 0, 3, 3, 2});
    if (step == 10) reorder({2, 4, 3});  // the first source leaves
    if (step == 11) add(2, 2);
    if (step == 12) reorder({2, 2, 0, 4, 3});
    if (step == 40) add(0, 1);
    if (step > 40) reorder({1, 0, 2, 3, 3, 5});
  }
}

TEST_P(Seq2SeqDecoding, WhatDoesNotFitIsAnError) {
  Seq2SeqDecoder decoder(model_);
  decoder.add(source(3), 2);
  EXPECT_ERROR_TEXT(decoder.next(ids(3)), "decoder: ids are (3) i32 for 2 rows");
  EXPECT_ERROR_TEXT(decoder.reorder({0, 2}), "decoder: row 2 of 2");
  decoder.reorder({0, 0, 1});
  EXPECT_ERROR_TEXT(decoder.next(ids(3)), "decoder: more texts of a source than it began with, 2");
  Seq2SeqDecoder longest(model_);
  longest.add(source(3), 1);
  const int64_t positions = model_.shape.longest_target();
  for (int64_t n = 0; n < positions; ++n) longest.next(ids(1));
  EXPECT_ERROR_TEXT(longest.next(ids(1)), text("decoder: a text of ", positions + 1, " tokens"));
}

INSTANTIATE_TEST_SUITE_P(Models, Seq2SeqDecoding, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "led" : "bart"; });

}  // namespace
}  // namespace lf
