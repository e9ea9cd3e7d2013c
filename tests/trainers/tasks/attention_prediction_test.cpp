// `longform predict --what attention`: which tensors of which records, what they say, and what is refused.
#include "trainers/tasks/attention_prediction.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "layers/attention_weights.h"
#include "tests/program.h"
#include "tests/tiny_model.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {
namespace {

constexpr const char* kRecords =
    R"({"id": "a", "ids": [[5, 6, 7, 8, 9], [8, 4, 11, 12, 1]], "mask": [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]],
        "global": [[0, 3], []]})";

class AttentionPredictionTest : public ::testing::Test {
 protected:
  // The records on a line each.
  void SetUp() override {
    std::string record = kRecords;
    record.erase(record.find('\n'), 1);
    program_.write(
        "records.jsonl",
        record + "\n" + R"({"id": "b", "ids": [0, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 4, 2]})" + "\n");
    program_.write("texts.jsonl", R"({"id": "c", "text": "yes and no"})"
                                  "\n");
  }
  ProgramResult attention(const std::string& model, const std::string& records) const {
    return program_.run({"predict", program_ / model, program_ / records, "--what", "attention", "--out",
                         program_ / "a.safetensors"});
  }
  // Names and shapes in the order of the file.
  std::string written() const {
    const SafetensorsFile file(program_ / "a.safetensors");
    std::string result;
    for (const TensorInfo& tensor : file.tensors()) result += text(tensor.name, ' ', tensor.shape, '\n');
    return result;
  }
  // A layer of a tensor.
  Tensor layer(const std::string& name, int64_t number) const {
    const Tensor x = SafetensorsFile(program_ / "a.safetensors").read(name);
    return x.slice(number, number + 1).view({x.dim(1), x.dim(2), x.dim(3), x.dim(4)});
  }
  // Of every row of a layer's last axis.
  std::vector<double> sums(const std::string& name, int64_t number) const {
    const Tensor x = layer(name, number);
    std::vector<double> result(static_cast<size_t>(x.elements() / x.dim(3)), 0.0);
    for (int64_t i = 0; i < x.elements(); ++i)
      result[static_cast<size_t>(i / x.dim(3))] += x.data<float>()[i];
    return result;
  }
  void refused(const std::string& model, const std::string& records, int code,
               const std::string& part) const {
    const ProgramResult result = attention(model, records);
    EXPECT_EQ(result.code, code);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(program_ / "a.safetensors"));
  }

  Program program_;
};

TEST_F(AttentionPredictionTest, OfAMaskedLanguageModel) {
  write_tiny_model(program_ / "model", "longformer");
  const ProgramResult result = attention("model", "records.jsonl");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(written(),
            "a.attentions (2, 2, 4, 5, 15)\na.global_attentions (2, 2, 4, 5, 2)\n"
            "b.attentions (2, 1, 4, 13, 13)\n");
  // Each local query shares 1; the global and the padded ones have nothing here.
  const std::vector<double> local = sums("a.attentions", 1);
  for (size_t row = 0; row < local.size(); ++row) {
    const size_t b = row / 20, t = row % 5;
    EXPECT_NEAR(local[row], (b == 0 ? t != 0 && t != 3 : t != 4) ? 1 : 0, 1e-6) << row;
  }
  for (const double sum : sums("b.attentions", 0)) EXPECT_NEAR(sum, 1, 1e-6);
  // One record at a time gives what the model attends by, to the last bit; the window of 8 of the first layer
  // lies in the middle of the second's 12.
  struct Layers : AttentionProbe {
    std::vector<Tensor> attentions;
    void see(const AttentionInputs& seen) override { attentions.push_back(attention_weights(seen)); }
  } layers;
  const LoadedModel loaded(program_ / "model");
  const std::vector<Record> records = read_records(program_ / "records.jsonl");
  loaded.model.encoder(encoder_input({&records[1], 1}), {.probe = &layers});
  EXPECT_EQ(layer("b.attentions", 1).to_doubles(), layers.attentions[1].to_doubles());
  const std::vector<double> wide = layer("b.attentions", 0).to_doubles(),
                            narrow = layers.attentions[0].to_doubles();
  for (size_t i = 0; i < wide.size(); ++i) {
    const size_t row = i / 13, column = i % 13;
    EXPECT_EQ(wide[i], column < 2 || column >= 11 ? 0 : narrow[row * 9 + column - 2]) << i;
  }
  // The two columns of global tokens stay before the band.
  layers.attentions.clear();
  loaded.model.encoder(encoder_input({records.data(), 1}), {.probe = &layers});
  EXPECT_EQ(layer("a.attentions", 0).to_doubles()[15 + 0], layers.attentions[0].to_doubles()[11 + 0]);
  EXPECT_EQ(layer("a.attentions", 0).to_doubles()[15 + 1], layers.attentions[0].to_doubles()[11 + 1]);
}

// A record of text has no global tokens of its own; those that the task gives it are there.
TEST_F(AttentionPredictionTest, OfTheEncoderOfAnLed) {
  write_tiny_seq2seq(program_ / "model", "led");
  ASSERT_EQ(attention("model", "texts.jsonl").code, 0);
  const Tensor global = layer("c.global_attentions", 1);
  const int64_t T = global.dim(2);
  EXPECT_EQ(written(),
            text("c.attentions (2, 1, 4, ", T, ", 10)\nc.global_attentions (2, 1, 4, ", T, ", 1)\n"));
  for (int64_t h = 0; h < 4; ++h) {
    double sum = 0;
    for (int64_t t = 0; t < T; ++t) sum += global.data<float>()[h * T + t];
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

TEST_F(AttentionPredictionTest, OfFullAttention) {
  write_tiny_seq2seq(program_ / "bart", "bart");
  ASSERT_EQ(attention("bart", "texts.jsonl").code, 0);
  const int64_t T = layer("c.attentions", 0).dim(2);
  EXPECT_EQ(written(), text("c.attentions (2, 1, 4, ", T, ", ", T, ")\n"));
  for (const double sum : sums("c.attentions", 1)) EXPECT_NEAR(sum, 1, 1e-6);
}

TEST_F(AttentionPredictionTest, WhatCannotBeIsNamed) {
  write_tiny_model(program_ / "roberta", "roberta");
  refused("roberta", "records.jsonl", 1,
          "records.jsonl:1: the model has full attention and no global tokens");
  program_.write("long.jsonl", nlohmann::json{{"ids", std::vector<int>(65, 5)}}.dump());
  refused("roberta", "long.jsonl", 1, "long.jsonl:1: encoder: a sequence of 65 tokens");
  const ProgramResult nowhere =
      program_.run({"predict", program_ / "roberta", program_ / "texts.jsonl", "--what", "attention"});
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_NE(nowhere.err.find("--what attention writes safetensors: name the file with --out"),
            std::string::npos)
      << nowhere.err;
  const ProgramResult other =
      program_.run({"predict", program_ / "roberta", program_ / "texts.jsonl", "--what", "attentions"});
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("needed hidden, logits, loss, attention or fill-mask"), std::string::npos)
      << other.err;
}

}  // namespace
}  // namespace lf
