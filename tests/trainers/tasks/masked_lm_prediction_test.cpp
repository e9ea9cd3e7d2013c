// Prediction from records: transformers' figures for a real small RoBERTa, and records that are refused.
#include "trainers/tasks/masked_lm_prediction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>
#include <span>

#include "tests/predicted_alone.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/huggingface/convert.h"

namespace lf {
namespace {

TEST(MiniRoberta, LossesHiddenStatesAndLogitsEqualTransformers) {
  REQUIRE_SHARED(folder, "data/mini-roberta");
  const LoadedModel opened(folder);
  const SafetensorsFile expected(folder + "/mlm-expected.safetensors");
  std::ifstream cases(folder + "/mlm-cases.jsonl");
  for (const Record& record : read_records(folder + "/mlm-cases.jsonl")) {
    std::string line;
    std::getline(cases, line);
    const double loss = nlohmann::json::parse(line).at("loss").get<double>();
    EXPECT_NEAR(predicted_alone(opened.model, record, Prediction::loss).item(), loss, 1e-4) << record.id;
    const std::string hidden = prediction_spec(opened.model, record, Prediction::hidden).name;
    EXPECT_CLOSE(predicted_alone(opened.model, record, Prediction::hidden), expected.read(hidden), 1e-4);
    const std::string logits = prediction_spec(opened.model, record, Prediction::logits).name;
    const Tensor wanted = expected.read(logits);  // of the first tokens only
    const Tensor received = predicted_alone(opened.model, record, Prediction::logits);
    EXPECT_CLOSE(received.view({record.length, 2048}).slice(0, wanted.dim(1)),
                 wanted.view({wanted.dim(1), 2048}), 1e-4);
  }
}

// Bits per masked token of two of the eight blocks of 4,096 tokens; all eight give 4.605 and 8.55.
TEST(MiniRoberta, ConvertedPositionsGiveTheKnownBits) {
  REQUIRE_SHARED(folder, "data/mini-roberta");
  const TemporaryFolder temporary;
  const std::vector<Record> blocks = read_records(folder + "/table5-blocks.jsonl");
  const auto bits = [&](NewPositions positions, const std::string& name) {
    convert_to_longformer({.source = folder, .destination = temporary / name, .positions = positions});
    const LoadedModel opened(temporary / name);
    return predicted_alone(opened.model, blocks.front(), Prediction::loss).item() / std::numbers::ln2;
  };
  EXPECT_NEAR(bits(NewPositions::copied, "copied"), 4.4949, 5e-4);
  EXPECT_GT(bits(NewPositions::random, "random"), 8);
}

class Records : public ::testing::Test {
 protected:
  std::vector<Record> read(const std::string& content) {
    std::ofstream(folder_ / "records.jsonl") << content;
    return read_records(folder_ / "records.jsonl");
  }
  void refuse(const std::string& content, const std::string& message) {
    EXPECT_ERROR_TEXT(read(content), message);
  }
  TemporaryFolder folder_;
};

TEST_F(Records, AreReadWhole) {
  const auto records = read(
      "{\"id\": \"a\", \"ids\": [[5, 6, 7], [8, 9, 1]], \"mask\": [[1, 1, 1], [1, 1, 0]], \"global\": [[2, "
      "0], []],"
      " \"labels\": [[-100, 6, -100], [-100, -100, -100]], \"note\": 1}\n\n{\"text\": \"two\"}\n{\"ids\": "
      "[4]}\n");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].rows, 2);
  EXPECT_EQ(records[0].length, 3);
  EXPECT_EQ(records[0].ids, (std::vector<int32_t>{5, 6, 7, 8, 9, 1}));
  EXPECT_EQ(records[0].mask, (std::vector<uint8_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(records[0].labels, (std::vector<int32_t>{-1, 6, -1, -1, -1, -1}));
  EXPECT_EQ(records[0].global, (std::vector<std::vector<int64_t>>{{0, 2}, {}}));
  EXPECT_EQ(records[1].id, "3");
  EXPECT_EQ(records[1].text, "two");
  EXPECT_EQ(records[2].rows, 1);
}

TEST_F(Records, ErrorsNameTheLine) {
  refuse("", "holds no record");
  refuse("{\"ids\": [1]}\n{oops\n", "records.jsonl:2:2: not valid JSON");
  refuse("{\"ids\": " + std::string(200000, '['), "records.jsonl:1: nested more than 32 deep");
  refuse("{\"ids\": [1], \"ids\": [2]}", "appears twice");
  refuse("{\"ids\": [1, 2], \"labels\": [1, 18446744073709551516]}", "labels has 18446744073709551516");
  refuse("{\"ids\": [[1], [2]], \"global\": [[0], 1]}", "global mixes rows and numbers");
  refuse("{\"id\": \"a\"}", "no \"text\", \"tokens\" or \"ids\"");
  refuse("{\"ids\": [1], \"text\": \"x\"}", "more than one of text, tokens and ids");
  refuse("{\"id\": \"a\", \"tokens\": []}", "\"tokens\" is empty");
  refuse("{\"ids\": [[1, 2], [3]]}", "row 1 of ids has 1 numbers, needed 2");
  refuse("{\"ids\": [[]]}", "ids has an empty row");
  refuse("{\"ids\": [1.5]}", "ids has 1.5, needed an integer");
  refuse("{\"ids\": [-1]}", "ids has -1");
  refuse("{\"ids\": [1, 2], \"mask\": [1]}", "row 0 of mask has 1 numbers, needed 2");
  refuse("{\"ids\": [1, 2], \"mask\": [1, 2]}", "mask has 2, needed an integer from 0 to 1");
  refuse("{\"ids\": [1, 2], \"labels\": [1, -7]}", "a label is -7");
  refuse("{\"ids\": [1, 2], \"global\": [2]}", "global has 2, needed an integer from 0 to 1");
  refuse("{\"ids\": [1, 2], \"global\": [1, 1]}", "names a position twice");
  refuse("{\"text\": \"x\", \"labels\": [1]}", "belong to ids");
  refuse("{\"id\": \"a\", \"ids\": [1]}\n{\"id\": \"a\", \"ids\": [1]}", "id a is used twice");
}

TEST_F(Records, PaddedTokensAreNotGlobal) {
  const auto records =
      read("{\"ids\": [[5, 6], [7, 1]], \"mask\": [[1, 1], [1, 0]], \"global\": [[0], [0, 1]]}");
  const EncoderInput input = encoder_input(records);
  EXPECT_EQ(input.global_tokens->offsets, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(input.global_tokens->positions, (std::vector<int64_t>{0, 0}));
}

TEST_F(Records, WhatTheModelCannotTakeNamesTheRecord) {
  const LoadedModel loaded(write_tiny_model(folder_ / "model", "roberta"));
  const auto records = read(
      "{\"ids\": [0, 341]}\n{\"ids\": [0, 5], \"labels\": [-100, -100]}\n{\"ids\": [0], \"global\": [0]}");
  EXPECT_ERROR_TEXT(predicted_alone(loaded.model, records[0], Prediction::hidden),
                    "records.jsonl:1: embedding: id 341 at position 1");
  EXPECT_ERROR_TEXT(filled_alone(loaded.model, records[0], 4, 3),
                    "records.jsonl:1: id 341 at place 1; the model knows 0 to 340");
  EXPECT_ERROR_TEXT(predicted_alone(loaded.model, records[1], Prediction::loss),
                    "records.jsonl:2: a loss needs labels");
  EXPECT_ERROR_TEXT(predicted_alone(loaded.model, records[2], Prediction::hidden),
                    "records.jsonl:3: encoder: RoBERTa has no global");
}

// The batch holds rows of several lengths, with and without mask and global tokens.
TEST_F(Records, AnswersDoNotDependOnTheOthersOfTheBatch) {
  const LoadedModel loaded(write_tiny_model(folder_ / "model", "longformer"));
  const auto records = read(
      "{\"ids\": [[5, 6, 7], [8, 4, 1]], \"mask\": [[1, 1, 1], [1, 1, 0]], \"global\": [[2, 0], []]}\n"
      "{\"ids\": [0, 4, 9, 10, 11, 12, 13, 4, 2]}\n"
      "{\"ids\": [[3, 4]], \"global\": [[0]], \"labels\": [[-100, 8]]}\n{\"ids\": [7]}\n");
  const std::vector<Tensor> together = predict(loaded.model, records, Prediction::hidden);
  const auto filled = fill_masks(loaded.model, records, 4, 3);
  ASSERT_EQ(together.size(), 4u);
  for (size_t n = 0; n < records.size(); ++n) {
    const Tensor alone = predicted_alone(loaded.model, records[n], Prediction::hidden);
    EXPECT_CLOSE(together[n], alone, 1e-6);  // products may add in another order
    const auto masks = filled_alone(loaded.model, records[n], 4, 3);
    ASSERT_EQ(filled[n].size(), masks.size()) << n;
    for (size_t i = 0; i < masks.size(); ++i) {
      EXPECT_EQ(filled[n][i].ids, masks[i].ids) << n;
      EXPECT_NEAR(filled[n][i].probabilities[0], masks[i].probabilities[0], 1e-7) << n;
      EXPECT_EQ(filled[n][i].row, masks[i].row);
      EXPECT_EQ(filled[n][i].position, masks[i].position);
    }
  }
  EXPECT_EQ(filled[0].size() + 10 * filled[1].size(), 21u);
}

TEST_F(Records, BatchesHoldTheTokensAskedForAndNameTheRecordThatFails) {
  const auto records =
      read("{\"ids\": [1, 2, 3]}\n{\"ids\": [4, 5]}\n{\"ids\": [[6], [7]]}\n{\"ids\": [8]}\n");
  const auto sizes = [&](int64_t most_tokens, const std::string& wrong) {
    std::vector<size_t> result;
    std::string error;
    try {
      LineSink sink([](const nlohmann::ordered_json&) {});
      in_batches(
          records, most_tokens, sink,
          [&](std::span<const Record> batch) {
            for (const Record& record : batch) CHECK(record.id != wrong, "wrong");
            return batch.size();
          },
          [&](std::span<const Record>, size_t size) { result.push_back(size); });
    } catch (const Error& e) {
      error = e.what();
    }
    EXPECT_EQ(error, wrong.empty() ? "" : folder_ / "records.jsonl:" + wrong + ": wrong");
    return result;
  };
  EXPECT_EQ(sizes(5, ""), (std::vector<size_t>{2, 2}));
  EXPECT_EQ(sizes(1, ""), (std::vector<size_t>{1, 1, 1, 1}));
  EXPECT_EQ(sizes(100, ""), (std::vector<size_t>{4}));
  EXPECT_EQ(sizes(100, "3"), (std::vector<size_t>{1, 1}));
}

TEST_F(Records, MasksAreFilledWithTheLikeliestTokens) {
  const LoadedModel loaded(write_tiny_model(folder_ / "model", "longformer"));
  const auto record = read("{\"ids\": [[0, 4, 7], [9, 8, 4]]}")[0];
  const auto filled = filled_alone(loaded.model, record, 4, 3);
  ASSERT_EQ(filled.size(), 2u);
  EXPECT_EQ(filled[1].row, 1);
  EXPECT_EQ(filled[1].position, 2);
  const Tensor logits = predicted_alone(loaded.model, record, Prediction::logits).view({6, 341});
  const std::vector<double> row = logits.slice(5, 6).to_doubles();
  EXPECT_EQ(filled[1].ids[0], std::max_element(row.begin(), row.end()) - row.begin());
  double sum = 0;
  for (const double v : row) sum += std::exp(v - row[static_cast<size_t>(filled[1].ids[1])]);
  EXPECT_NEAR(filled[1].probabilities[1], 1 / sum, 1e-6);
}

}  // namespace
}  // namespace lf
