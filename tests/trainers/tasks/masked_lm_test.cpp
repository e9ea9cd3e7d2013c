// Continuing a pretrained masked language model: updates, frozen parameters, resuming, and the way out to
// Hugging Face's form, each through the program's own parts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "core/failpoint.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "tests/trainers/ranks/ranks_in_a_run.h"
#include "trainers/config/load.h"
#include "trainers/huggingface/convert.h"
#include "trainers/run/opened_model.h"
#include "trainers/tasks/masked_lm_task.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class MaskedLMTest : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_task(folder_.path(), 60000); }

  // `stage` comes before the defaults of the only stage, which it may replace.
  RunConfig config(const std::string& stage, const std::string& masked = "", const std::string& more = "") {
    std::string entry = "name: a, learning_rate: 0.003, batch_size: 2, " + stage;
    if (stage.find("sequence_length") == std::string::npos) entry += ", sequence_length: 48";
    if (stage.find("micro_batch") == std::string::npos) entry += ", micro_batch: 1";
    return parse_run_config("task: masked_lm\ndata: {path: " + (folder_ / "corpus") +
                                "}\nmasked_lm: {model: " + (folder_ / "model") + masked +
                                "}\nschedule: {warmup_steps: 2}\nstages: {list: [{" + entry +
                                "}]}\nlog: {every_steps: 1}\nvalidation: {tokens: 2000}\n" + more,
                            "test.yaml");
  }
  void train(const RunConfig& c, const std::string& name, bool resume = false) {
    EXPECT_EQ(Trainer(c, folder_ / name, resume).run(), RunEnd::finished);
  }
  std::vector<LogRecord> log(const std::string& run) { return read_run_log(folder_ / (run + "/log.jsonl")); }

  // A parameter's values in a run's newest checkpoint.
  std::vector<double> trained(const std::string& run, const std::string& name) {
    std::vector<std::string> warnings;
    return newest_checkpoint(folder_ / run, warnings)->read("model.safetensors", name).to_doubles();
  }
  std::vector<double> initial(const std::string& name) {
    return SafetensorsFile(folder_ / "model/model.safetensors").read(name).to_doubles();
  }

  TemporaryFolder folder_;
};

TEST_F(MaskedLMTest, RanksTrainOneRun) {
  expect_same_run_of_ranks(config("steps: 4"), folder_.path(), 4, {2});
}

TEST_F(MaskedLMTest, SlicesTrainTheRun) {
  expect_slices_train_the_run(config("steps: 4"), folder_.path(), 4, {2});
}

TEST_F(MaskedLMTest, LossFallsAndIsLoggedPerToken) {
  train(config("steps: 30"), "run");
  std::vector<double> losses;
  double test_bits = 0;
  for (const LogRecord& record : log("run")) {
    const auto& fields = record.fields;
    if (fields.at("event") == "step") {
      losses.push_back(fields.at("loss").get<double>());
      EXPECT_NEAR(fields.at("bits_per_token").get<double>(), losses.back() / std::log(2.0), 1e-9);
      EXPECT_EQ(fields.at("tokens").get<int64_t>(), 96 * std::ssize(losses));
    }
    if (fields.at("event") == "stage_end") test_bits = fields.at("test_bits_per_token").get<double>();
  }
  ASSERT_EQ(losses.size(), 30u);
  EXPECT_LT(losses[28] + losses[29], 0.95 * (losses[0] + losses[1]));
  EXPECT_GT(test_bits, 3);
}

TEST_F(MaskedLMTest, AnInterruptedRunEndsWithTheSameBits) {
  train(config("steps: 6", "", "checkpoint: {every_steps: 2}\n"), "whole");
  const RunConfig c = config("steps: 6", "", "checkpoint: {every_steps: 2}\n");
  ::setenv("LF_FAILPOINT", "trainer.loss:5=enospc", 1);
  read_failpoint_environment();
  EXPECT_THROW(Trainer(c, folder_ / "cut", false).run(), Error);
  ::unsetenv("LF_FAILPOINT");
  read_failpoint_environment();
  train(c, "cut", true);
  const std::string name = "longformer.encoder.layer.1.attention.self.query.weight";
  EXPECT_EQ(trained("cut", name), trained("whole", name));
  EXPECT_EQ(read_file(folder_ / "cut/log.jsonl"), read_file(folder_ / "whole/log.jsonl"));
}

TEST_F(MaskedLMTest, AccumulationAndRecomputationGiveTheSameUpdates) {
  const std::string no_dropout = ", dropout: 0, attention_dropout: 0";
  train(config("steps: 3", no_dropout), "one");
  train(config("micro_batch: 2, steps: 3", no_dropout), "two");
  train(config("recompute: true, steps: 3", no_dropout), "again");
  const std::string name = "longformer.embeddings.word_embeddings.weight";
  const Shape shape{341, 32};
  const Tensor expected = Tensor::from(shape, trained("one", name));
  EXPECT_CLOSE(Tensor::from(shape, trained("two", name)), expected, 1e-5);
  EXPECT_CLOSE(Tensor::from(shape, trained("again", name)), expected, 1e-6);
}

TEST_F(MaskedLMTest, Bf16GivesNearlyTheSameLosses) {
  const auto bits = [&](const std::string& precision) {
    const RunConfig c =
        config("steps: 1", ", dropout: 0, attention_dropout: 0", "precision: " + precision + "\n");
    MaskedLMTask task(c, {});
    const Stage stage = resolved_stages(c).front();
    const auto batch = task.read(stage, {0, stage.batch_size});
    const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 1, .step = 0};
    const double nats = forward_backward(task, *batch, stage, 1.0 / batch->about.weight, pass).item();
    return std::pair(nats, Optimizer(task.parameters(), c.optimizer).gradient_norm());
  };
  const auto exact = bits("f32"), rounded = bits("bf16");
  EXPECT_NEAR(rounded.first / exact.first, 1, 0.02);
  EXPECT_NEAR(rounded.second / exact.second, 1, 0.05);
  EXPECT_NE(rounded.first, exact.first);
}

TEST_F(MaskedLMTest, FrozenTrainingTouchesNewPositionsOnly) {
  train(config("steps: 4", ", trained: new_positions, first_new_position: 20"), "run");
  const std::string positions = "longformer.embeddings.position_embeddings.weight";
  const SafetensorsFile source(folder_ / "model/model.safetensors");
  for (const TensorInfo& info : source.tensors()) {
    if (info.name == positions) continue;
    EXPECT_EQ(trained("run", info.name), initial(info.name)) << info.name;
  }
  const std::vector<double> before = initial(positions), after = trained("run", positions);
  const size_t old_values = 22 * 32, used = (48 + 2) * 32;
  EXPECT_TRUE(std::equal(after.begin(), after.begin() + old_values, before.begin()));
  for (size_t i = old_values; i < used; ++i) ASSERT_NE(after[i], before[i]) << i;
}

constexpr const char* kProjection = "longformer.encoder.layer.0.attention.self.";

TEST_F(MaskedLMTest, GlobalProjectionsOfTheirOwnAreNotTouched) {
  train(config("steps: 3"), "run");
  for (const std::string name : {"query", "key", "value"}) {
    EXPECT_EQ(trained("run", kProjection + name + "_global.weight"),
              initial(kProjection + name + "_global.weight"));
    EXPECT_NE(trained("run", kProjection + name + ".weight"), initial(kProjection + name + ".weight"));
  }
}

TEST_F(MaskedLMTest, GlobalProjectionsThatWereCopiesEndAsCopies) {
  std::filesystem::remove_all(folder_ / "model");
  write_tiny_model(folder_ / "roberta", "roberta");
  convert_to_longformer(
      {.source = folder_ / "roberta", .destination = folder_ / "model", .max_positions = 64, .window = 8});
  train(config("steps: 3"), "run");
  for (const std::string name : {"query", "key", "value"}) {
    const std::string base = kProjection + name;
    EXPECT_EQ(trained("run", base + "_global.weight"), trained("run", base + ".weight"));
    EXPECT_EQ(trained("run", base + "_global.bias"), trained("run", base + ".bias"));
    EXPECT_NE(trained("run", base + ".weight"), initial(base + ".weight"));
  }
}

TEST_F(MaskedLMTest, EvaluationDoesNotDependOnTheBatchSize) {
  const RunConfig c = config("steps: 1");
  MaskedLMTask task(c, {});
  Protocol protocol = task.protocol(Effort::validation, resolved_stages(c).front());
  protocol.tokens = 0;
  const Score one = task.score(Split::train, protocol, RankGrid(), {});
  protocol.batch_size = 7;
  const Score seven = task.score(Split::train, protocol, RankGrid(), {});
  EXPECT_EQ(one.targets, seven.targets);
  EXPECT_NEAR(one.nats / seven.nats, 1, 1e-6);
  EXPECT_NEAR(static_cast<double>(one.targets) / static_cast<double>(task.corpus().train.tokens), 0.15, 0.02);
  EXPECT_GT(one.characters_per_target, 1.2);
}

TEST_F(MaskedLMTest, WhatDoesNotFitIsRefused) {
  const auto open = [&](const RunConfig& c) {
    MaskedLMTask task(c, {});
    task.check_stage(resolved_stages(c).front());
  };
  EXPECT_ERROR_TEXT(open(config("sequence_length: 65, steps: 1")),
                    "sequence_length 65 exceeds the 64 positions");
  EXPECT_ERROR_TEXT(open(config("steps: 1", ", trained: new_positions")), "nothing would be trained");
  EXPECT_ERROR_TEXT(open(config("steps: 1, windows: 8")),
                    "list.0.windows: means nothing to task: masked_lm; it is for task: char_lm");
  EXPECT_ERROR_TEXT(open(config("steps: 1", "", "model: {layers: 3}\n")),
                    "model.layers: means nothing to task: masked_lm");
  EXPECT_ERROR_TEXT(open(config("steps: 1", ", mask_share: 0.95")), "are more than all");
  EXPECT_ERROR_TEXT(open(config("steps: 1", "", "evaluation: {step: 3}\n")),
                    "evaluation.step: means nothing to task: masked_lm");
  nlohmann::json small = tiny_config("longformer");
  small["vocab_size"] = 300;
  std::filesystem::remove_all(folder_ / "model");
  write_model_folder(folder_ / "model", small, random_parameters(encoder_shape({"config.json", small}), 1),
                     "");
  EXPECT_ERROR_TEXT(open(config("steps: 1")), "was prepared with a tokenizer of 341 tokens, but the model");
  std::filesystem::remove(folder_ / "corpus/documents.json");
  EXPECT_ERROR_TEXT(open(config("steps: 1")),
                    "holds no prepared documents; make them with: longform prepare");
}

TEST_F(MaskedLMTest, AModelFolderThatChangedUnderARunIsRefused) {
  const RunConfig c = config("steps: 2");
  train(c, "run");
  nlohmann::json changed = tiny_config("longformer");
  changed["num_attention_heads"] = 2;
  replace_config(folder_ / "model", changed);
  EXPECT_EQ(error_of([&] { open_model(folder_ / "run"); }), "") << "the run keeps what it was made from";
  EXPECT_ERROR_TEXT(Trainer(c, folder_ / "run", true), "has changed since");
}

TEST_F(MaskedLMTest, ACorpusOfAnotherTokenizerIsRefused) {
  nlohmann::json after = nlohmann::json::parse(read_file(folder_ / "model/vocab.json"));
  std::swap(after["e"], after["t"]);
  write_file_atomically(folder_ / "model/vocab.json", after.dump());
  EXPECT_ERROR_TEXT(MaskedLMTask(config("steps: 1"), {}), "was prepared with another tokenizer");
}

TEST_F(MaskedLMTest, WeightsThatAreNotFiniteAreNamed) {
  const Program program;
  const std::string model = write_tiny_model(program / "model", "roberta");
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(model)), 1);
  const auto bias = std::find_if(tensors.begin(), tensors.end(), [](const NamedTensor& t) {
    return t.name.ends_with("0.output.dense.bias");
  });
  ASSERT_NE(bias, tensors.end());
  bias->tensor.data<float>()[3] = std::numeric_limits<float>::infinity();
  replace_weights(model, tensors);
  program.write("records.jsonl", "{\"id\": \"i\", \"ids\": [0, 4, 9, 2]}\n");
  const std::vector<std::vector<std::string>> verbs = {
      {"convert", model, program / "longformer", "--to", "longformer", "--max-positions", "100", "--window",
       "8"},
      {"convert", model, program / "again", "--to", "huggingface"},
      {"predict", model, program / "records.jsonl", "--what", "hidden", "--out", program / "hidden"}};
  for (const std::vector<std::string>& arguments : verbs) {
    const ProgramResult result = program.run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("1 tensor is not finite"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(bias->name + " (1 of 32 values)"), std::string::npos) << result.err;
  }
}

// The way of a user: convert, train, evaluate, export, predict; what is exported is what was trained.
TEST_F(MaskedLMTest, TheVerbsWorkTogether) {
  const Program program;
  const auto run_well = [&](const std::vector<std::string>& arguments) {
    const ProgramResult result = program.run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  write_tiny_model(folder_ / "roberta", "roberta");
  const std::string longformer = program / "longformer", exported = program / "exported";
  run_well({"convert", folder_ / "roberta", longformer, "--to", "longformer", "--max-positions", "100",
            "--window", "8"});
  program.write("config.yaml", to_yaml(config("steps: 3")));
  const std::string set = "masked_lm.model=" + longformer;
  const auto check =
      nlohmann::json::parse(run_well({"check", program / "config.yaml", "--set", set, "--json"}));
  EXPECT_EQ(check.at("stages")[0].at("windows"), nlohmann::json({8, 8}));
  EXPECT_GT(check.at("stages")[0].at("memory_bytes").get<int64_t>(), 100000);
  run_well({"train", program / "config.yaml", "--out", program / "run", "--set", set});
  const auto score = nlohmann::json::parse(run_well({"evaluate", program / "run", "--json"}));
  EXPECT_GT(score.at("bits_per_token").get<double>(), score.at("bits_per_character").get<double>());
  EXPECT_GT(score.at("tokens").get<int64_t>(), 50);
  run_well({"convert", program / "run", exported, "--to", "huggingface"});
  program.write("records.jsonl",
                "{\"id\": \"t\", \"text\": \"Anarchism is a <mask> theory\"}\n{\"id\": \"i\", \"ids\": [0, "
                "4, 9, 2]}\n");
  const std::vector<std::string> predictions = {
      run_well({"predict", program / "run", program / "records.jsonl"}),
      run_well({"predict", exported, program / "records.jsonl"})};
  EXPECT_EQ(predictions[0], predictions[1]);
  EXPECT_EQ(nlohmann::json::parse(lines_of(predictions[0])[0]).at("masks")[0].at("candidates").size(), 5u);
  run_well({"convert", exported, program / "again", "--to", "huggingface"});
  for (const char* name : {"/model.safetensors", "/config.json"}) {
    EXPECT_EQ(read_file(exported + name), read_file(program / "again" + name)) << name;
  }
  const ProgramResult generate = program.run({"generate", program / "run"});
  EXPECT_EQ(generate.code, 1);
  EXPECT_NE(generate.err.find("a model of this task writes no text; needed a run of task: char_lm"),
            std::string::npos)
      << generate.err;
  EXPECT_EQ(program.run({"convert", longformer, program / "x", "--to", "bert"}).code, 2);
  EXPECT_EQ(program.run({"predict", longformer, program / "records.jsonl", "--what", "hidden"}).code, 2);
}

}  // namespace
}  // namespace lf
