// Fine-tuning a writer of summaries: learning, scores, resuming, writing, and the way out to Hugging Face's
// form and back.
#include "trainers/tasks/seq2seq_task.h"
#include "tests/trainers/ranks/ranks_in_a_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/storage.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/config/load.h"
#include "trainers/measure/predicted_run.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/seq2seq_input.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

using nlohmann::json;

class Seq2SeqTaskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_seq2seq(folder_ / "model", "led");
    write_pairs("train.jsonl", 24, 1);
    write_pairs("dev.jsonl", 6, 2);
  }
  // A summary is the word that the text repeats, twice.
  void write_pairs(const std::string& name, int count, uint32_t seed) {
    std::ofstream file(folder_ / name);
    for (int i = 0; i < count; ++i) {
      seed = seed * 1664525 + 1013904223;
      const std::string word = i % 2 == 0 ? "yes " : "no ";
      std::string words;
      for (uint32_t w = 0; w < 3 + seed % 9; ++w) words += word;
      file
          << json{{"id", name + std::to_string(i)}, {"source", words + "end"}, {"target", word + word}}.dump()
          << '\n';
    }
  }
  RunConfig config(const std::string& stage, const std::string& section = "", const std::string& more = "") {
    return parse_run_config(
        "task: seq2seq\ndata: {path: " + (folder_ / "train.jsonl") +
            "}\nseq2seq: {model: " + (folder_ / "model") + ", validation: " + (folder_ / "dev.jsonl") +
            section + "}\nstages: {list: [{name: a, learning_rate: 0.003, batch_size: 8, " + stage +
            "}]}\nlog: {every_steps: 1}\nvalidation: {every_steps: 5, batch_size: 4}\n" + more,
        "test.yaml");
  }
  std::vector<double> trained(const std::string& run) {
    std::vector<std::string> warnings;
    return newest_checkpoint(folder_ / run, warnings)
        ->read("model.safetensors", "led.decoder.layers.1.encoder_attn.q_proj.weight")
        .to_doubles();
  }
  static std::map<std::string, json> by_id(const std::string& lines) {
    std::istringstream stream(lines);
    std::map<std::string, json> answers;
    for (std::string line; std::getline(stream, line);) {
      const json answer = json::parse(line);
      answers[answer.at("id")] = answer;
    }
    return answers;
  }

  TemporaryFolder folder_;
};

TEST_F(Seq2SeqTaskTest, RanksTrainOneRun) {
  expect_same_run_of_ranks(config("steps: 6, sequence_length: 64, micro_batch: 2",
                                  ", metric: rougeL, target_length: 16, num_beams: 2"),
                           folder_.path(), 6, {2, 3});
}

TEST_F(Seq2SeqTaskTest, SlicesTrainTheRun) {
  expect_slices_train_the_run(config("steps: 6, sequence_length: 64, micro_batch: 2",
                                     ", metric: rougeL, target_length: 16, num_beams: 2"),
                              folder_.path(), 6, {2});
}

TEST_F(Seq2SeqTaskTest, LearnsWritesAndIsScored) {
  const RunConfig c =
      config("steps: 150, sequence_length: 64",
             ", metric: rougeL, target_length: 16, num_beams: 2, dropout: 0, no_repeat_ngram_size: 0",
             "optimizer: {clip: 1}\n");
  ASSERT_EQ(Trainer(c, folder_ / "run", false).run(), RunEnd::finished);
  const OpenedModel opened = open_model(folder_ / "run");
  const Evaluation score =
      opened.task->evaluate(Split::validation, Effort::report, opened.stage, RankGrid(), {});
  EXPECT_EQ(score.deciding().name, "rougeL");
  EXPECT_GT(score.deciding().value, 90);
  EXPECT_EQ(score.metrics[0].name, "loss");
  EXPECT_LT(score.metrics[0].value, 0.5);
  const Program program;
  std::ofstream(folder_ / "new.jsonl") << R"({"id": "a", "text": "no no no no end"})" << '\n'
                                       << R"({"id": "b", "text": "yes yes yes end"})" << '\n';
  const ProgramResult written = program.run({"generate", folder_ / "run", "--input", folder_ / "new.jsonl"});
  ASSERT_EQ(written.code, 0) << written.err;
  auto answers = by_id(written.out);
  EXPECT_EQ(answers["a"].at("text"), "no no ");
  EXPECT_EQ(answers["b"].at("text"), "yes yes ");
  EXPECT_EQ(program.run({"predict", folder_ / "run", folder_ / "new.jsonl"}).out, written.out);
  // The exported folder writes the same.
  ASSERT_EQ(program.run({"convert", folder_ / "run", folder_ / "hf", "--to", "huggingface"}).code, 0);
  const ProgramResult again = program.run({"generate", folder_ / "hf", "--input", folder_ / "new.jsonl"});
  EXPECT_EQ(again.out, written.out) << again.err;
  std::ofstream(folder_ / "settings.json") << R"({"max_length": 4, "num_return_sequences": 2})";
  const ProgramResult two = program.run(
      {"generate", folder_ / "run", "--prompt", "no no no end", "--generation", folder_ / "settings.json"});
  EXPECT_EQ(two.code, 0) << two.err;
  EXPECT_EQ(std::count(two.out.begin(), two.out.end(), '\n'), 2) << two.out;
  EXPECT_LT(two.out.size(), 12u) << two.out;
}

TEST_F(Seq2SeqTaskTest, AStoppedRunGoesOnToTheSameBits) {
  const std::string stage = "sequence_length: 64, micro_batch: 2";
  const RunConfig c = config("steps: 8, " + stage, ", target_length: 16", "checkpoint: {every_steps: 3}\n");
  const auto requests = std::make_shared<RunRequests>();
  Trainer(c, folder_ / "whole", false).run();
  {
    Trainer first(c, folder_ / "parts", false, requests);
    requests->stop(SIGTERM);
    EXPECT_EQ(first.run(), RunEnd::stopped);
  }
  EXPECT_EQ(Trainer(c, folder_ / "parts", true).run(), RunEnd::finished);
  EXPECT_EQ(trained("whole"), trained("parts"));
  EXPECT_EQ(read_file(folder_ / "parts/log.jsonl"), read_file(folder_ / "whole/log.jsonl"));
}

TEST_F(Seq2SeqTaskTest, TargetsHaveThePrefixThatIsChosen) {
  const ByteLevelTokenizer tokenizer(folder_ / "model");
  std::vector<std::string> warnings;
  const TokenizedPairs pairs(read_summaries(folder_ / "train.jsonl", {}, warnings), tokenizer);
  const Seq2SeqShape shape = seq2seq_shape(read_model_config(folder_ / "model"));
  Seq2SeqSection section;
  section.target_length = 16;
  const Seq2SeqBatch both = seq2seq_batch(pairs, {0, 1}, 64, section, shape);
  section.decoder_prefix = DecoderPrefix::begin;
  const Seq2SeqBatch begin = seq2seq_batch(pairs, {0, 1}, 64, section, shape);
  const auto ids = [](const Seq2SeqBatch& batch) {
    const int32_t* data = batch.targets.ids.data<int32_t>();
    return std::vector<int32_t>(data, data + batch.targets.ids.elements());
  };
  EXPECT_EQ(ids(both)[0], 2);
  EXPECT_EQ(ids(both)[1], 0);
  EXPECT_EQ(ids(begin)[0], 0);
  EXPECT_EQ(both.labels[0], 0);
  EXPECT_NE(begin.labels[0], 0);
  EXPECT_EQ(both.labels.size(), begin.labels.size() + 2);
  EXPECT_EQ(both.labels.back(), 2);
  EXPECT_EQ(begin.labels.back(), 2);
  section.target_length = 4, section.decoder_prefix = DecoderPrefix::end_begin;
  const Seq2SeqBatch cut = seq2seq_batch(pairs, {0}, 5, section, shape);
  EXPECT_EQ(cut.sources.offsets.back(), 5);
  EXPECT_EQ(cut.targets.offsets.back(), 4);
  EXPECT_EQ(cut.labels.back(), 2);
  EXPECT_EQ(cut.sources.ids.data<int32_t>()[4], 2);
}

// Written summaries need more than the updates here: room for 32 rows of up to 45 tokens.
TEST_F(Seq2SeqTaskTest, MemoryOfWrittenSummariesIsPredicted) {
  const auto predicted = [&](const std::string& metric) {
    PredictedRun run(config("steps: 5, micro_batch: 1, sequence_length: 32",
                            ", target_length: 44, num_beams: 4, metric: " + metric),
                     false);
    run.next_stage();
    return static_cast<double>(run.tensors().peak);
  };
  const RunConfig c = config("steps: 5, micro_batch: 1, sequence_length: 32",
                             ", target_length: 44, num_beams: 4, metric: rougeL");
  release_cached_memory(Device::cpu);
  reset_peak_memory(Device::cpu);
  const int64_t before = memory_use(Device::cpu).live;
  EXPECT_EQ(Trainer(c, folder_ / "run", false).run(), RunEnd::finished);
  const auto used = static_cast<double>(memory_use(Device::cpu).peak - before);
  EXPECT_NEAR(predicted("rougeL") / used, 1, 0.05);
  EXPECT_LT(predicted("loss"), 0.95 * used);
  // So is their time: of a thousand validations, beside which what the prediction takes itself is nothing.
  const auto seconds = [&](const std::string& metric) {
    RunConfig timed = config("steps: 1000, micro_batch: 1, sequence_length: 32",
                             ", target_length: 44, num_beams: 4, metric: " + metric);
    timed.validation.every_steps = 1;
    return PredictedRun(timed, true).next_stage().seconds;
  };
  const double of_texts = seconds("rougeL"), of_losses = seconds("loss");
  EXPECT_GT(of_texts, 1.2 * of_losses);
}

// In training, scores and writing alike; an exported folder has no place for it, which is said.
TEST_F(Seq2SeqTaskTest, GlobalAttentionIsAsConfigured) {
  const ByteLevelTokenizer tokenizer(folder_ / "model");
  std::vector<std::string> warnings;
  const TokenizedPairs pairs(read_summaries(folder_ / "train.jsonl", {}, warnings), tokenizer);
  const Seq2SeqShape shape = seq2seq_shape(read_model_config(folder_ / "model"));
  Seq2SeqSection section;
  const Seq2SeqBatch first = seq2seq_batch(pairs, {0, 1}, 64, section, shape);
  ASSERT_TRUE(first.sources.global_tokens);
  EXPECT_EQ(first.sources.global_tokens->positions, (std::vector<int64_t>{0, 0}));
  section.global_attention = GlobalAttention::none;
  EXPECT_FALSE(seq2seq_batch(pairs, {0, 1}, 64, section, shape).sources.global_tokens);

  const std::string stage = "steps: 2, sequence_length: 64", length = ", target_length: 16";
  const RunConfig windows = config(stage, length + ", global_attention: none");
  Trainer(windows, folder_ / "run", false).run();
  Trainer(config(stage, length), folder_ / "other", false).run();
  EXPECT_NE(trained("run"), trained("other"));
  EXPECT_ERROR_TEXT(Trainer(config(stage, length), folder_ / "run", true), "seq2seq.global_attention");
  const Program program;
  const ProgramResult exported =
      program.run({"convert", folder_ / "run", folder_ / "hf", "--to", "huggingface"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_NE(exported.err.find("hf cannot say that the run has learned without global attention"),
            std::string::npos)
      << exported.err;
  const std::string source = "no no no no no no no no no no yes yes end";
  const json ids = {tokenizer.encode(source)};
  std::ofstream(folder_ / "text.jsonl") << json{{"id", "a"}, {"text", source}}.dump() << '\n';
  std::ofstream(folder_ / "ids.jsonl")
      << json{{"id", "a"}, {"ids", ids}, {"global", {json::array()}}}.dump() << '\n';
  const auto written = [&](const std::string& model, const std::string& input) {
    const ProgramResult result =
        program.run({"generate", folder_ / model, "--input", folder_ / input, "--length", "6"});
    EXPECT_EQ(result.code, 0) << result.err;
    return by_id(result.out)["a"].at("score").get<double>();
  };
  EXPECT_EQ(written("run", "text.jsonl"), written("hf", "ids.jsonl"));
  EXPECT_NE(written("run", "text.jsonl"), written("hf", "text.jsonl"));
}

// The data of the task are as good as records of text, with or without summaries.
TEST_F(Seq2SeqTaskTest, WritesForTheDataItLearnsFrom) {
  const Program program;
  const auto written = [&](const std::string& input, const std::string& content) {
    std::ofstream(folder_ / input) << content;
    const ProgramResult result =
        program.run({"generate", folder_ / "model", "--input", folder_ / input, "--length", "4"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  const std::string expected = written("text.jsonl", R"({"id": "a", "text": "yes no\nend"})");
  EXPECT_EQ(written("pair.jsonl", R"({"id": "a", "source": "yes no\nend", "target": "x"})"), expected);
  EXPECT_EQ(written("source.jsonl", R"({"id": "a", "source": "yes no\nend"})"), expected);
  EXPECT_EQ(
      written(
          "test.txt",
          R"({"article_id": "a", "article_text": ["yes no", "end"], "abstract_text": [], "labels": null})"),
      expected);
  EXPECT_EQ(
      program.run({"generate", folder_ / "model", "--input", folder_ / "text.jsonl", "--sample", "--greedy"})
          .code,
      2);
  const auto drawn = [&](const std::string& seed) {
    return program
        .run({"generate", folder_ / "model", "--input", folder_ / "text.jsonl", "--sample", "--seed", seed})
        .out;
  };
  EXPECT_EQ(drawn("1"), drawn("1"));
  EXPECT_NE(drawn("1"), drawn("2"));
}

TEST_F(Seq2SeqTaskTest, TextsOfTwoSplitsAreNamed) {
  std::ofstream(folder_ / "train.jsonl") << R"({"id": "a", "source": "yes  no end", "target": "yes"})" << '\n'
                                         << R"({"id": "b", "source": "no no end", "target": "no"})" << '\n';
  std::ofstream(folder_ / "dev.jsonl") << R"({"id": "c", "source": "yes no end", "target": "no"})" << '\n'
                                       << R"({"id": "d", "source": "yes no\nend ", "target": "no"})" << '\n';
  const Seq2SeqTask task(config("steps: 1, sequence_length: 96"), {});
  const std::vector<std::string> notices = task.notices();
  const auto has = [&](const std::string& part) {
    return std::ranges::any_of(notices,
                               [&](const std::string& n) { return n.find(part) != std::string::npos; });
  };
  EXPECT_TRUE(has("1 of 2 texts of train are in validation too, by their text: a = c"));
  EXPECT_TRUE(has("1 of 2 texts of validation repeat an earlier one's text: c = d"));
  const RunConfig blind =
      parse_run_config("task: seq2seq\ndata: {path: " + (folder_ / "train.jsonl") +
                           "}\nseq2seq: {model: " + (folder_ / "model") +
                           ", metric: rouge1}\nstages: {list: [{name: a, learning_rate: " +
                           "0.1, batch_size: 1, steps: 1, sequence_length: 96}]}\n",
                       "test.yaml");
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "seq2seq.validation names no texts",
                      Seq2SeqTask(blind, {}).notices().at(0));
}

TEST_F(Seq2SeqTaskTest, WhatIsCutIsSaid) {
  const Seq2SeqTask task(config("steps: 1, sequence_length: 8", ", target_length: 16"), {});
  std::string notices;
  for (const std::string& notice : task.notices()) notices += notice + "\n";
  EXPECT_NE(notices.find("a: 24 of 24 train texts are longer than 8 tokens and are cut there"),
            std::string::npos)
      << notices;
}

TEST_F(Seq2SeqTaskTest, WhatDoesNotFitIsAnError) {
  const auto planned = [&](const std::string& stage, const std::string& section = "") {
    const RunConfig c = config(stage, section);
    planned_stages(c, *std::make_unique<Seq2SeqTask>(c, TaskNeeds{}));
  };
  EXPECT_ERROR_TEXT(planned("steps: 1, sequence_length: 97"), "positions for 3 to 96");
  EXPECT_ERROR_TEXT(planned("steps: 1, sequence_length: 96", ", target_length: 49"),
                    "seq2seq.target_length is 49");
  EXPECT_ERROR_TEXT(planned("steps: 1, sequence_length: 96", ", target_length: 8, min_length: 12"),
                    "seq2seq: a text of at least 12 tokens cannot have at most 9");
  std::ofstream(folder_ / "train.jsonl") << R"({"id": "a", "source": "x"})" << '\n';
  EXPECT_ERROR_TEXT(planned("steps: 1, sequence_length: 96"), "train.jsonl:1: ");
  const Program program;
  std::ofstream(folder_ / "new.jsonl") << R"({"id": "a", "text": "no"})" << '\n';
  const auto fails = [&](const std::string& settings, const std::string& words) {
    std::ofstream(folder_ / "settings.json") << settings;
    const ProgramResult result = program.run({"generate", folder_ / "model", "--input", folder_ / "new.jsonl",
                                              "--generation", folder_ / "settings.json"});
    EXPECT_NE(result.code, 0);
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  };
  fails(R"({"num_beams": 2, "do_sample": true})", "do_sample with num_beams 2");
  fails(R"({"num_return_sequences": 2})", "num_return_sequences is 2, more than num_beams, 1");
  fails(R"({"min_length": 30, "max_length": 20})", "at least 30 tokens cannot have at most 20");
  fails(R"({"max_new_tokens": 60})", "texts of 61 tokens, but the model has 48 positions");
  fails(R"({"num_beam": 2})", "unknown key \"num_beam\"");
  fails(R"({"early_stopping": "sometimes"})", "needed true, false or \"never\"");
  fails(R"({"forced_bos_token_id": 341})", "forced_bos_token_id is 341; the model's tokens are 0 to 340");
  fails(R"({"forced_eos_token_id": [2, 2147483647]})", "forced_eos_token_id is 2147483647");
  fails(R"({"eos_token_id": 999})", "eos_token_id is 999");
  fails(R"({"num_beams": 1025})", "num_beams is 1025; needed 1 to 1024");
  fails(R"({"length_penalty": NaN})", "needed a number");
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--temperature", "2"}, {"--greedy", "--beams", "2"}, {"--prompt", ""}}) {
    std::vector<std::string> command{"generate", folder_ / "model"};
    if (flags[0] != "--prompt") command.insert(command.end(), {"--prompt", "no"});
    command.insert(command.end(), flags.begin(), flags.end());
    EXPECT_EQ(program.run(command).code, 2) << flags[0];
  }
}

TEST_F(Seq2SeqTaskTest, OfAModelFolderTheDeviceAloneCanBeSet) {
  const auto opened = [&](const std::string& setting) {
    return open_model(folder_ / "model", {.overrides = {setting}}).config.device;
  };
  EXPECT_EQ(opened("device=cpu"), Device::cpu);
  if (!kHasCuda) {
    EXPECT_ERROR_TEXT(opened("device=cuda"), "this build has no CUDA");
  }
  EXPECT_ERROR_TEXT(opened("device=gpu"), "device is gpu; needed cpu or cuda");
  EXPECT_ERROR_TEXT(opened("precision=bf16"), "--set can change its device alone, not precision=bf16");
}

TEST_F(Seq2SeqTaskTest, WritingIsTimed) {
  const Program program;
  std::ofstream(folder_ / "new.jsonl") << R"({"id": "a", "text": "no no no no end"})" << '\n'
                                       << R"({"id": "b", "text": "yes yes yes end"})" << '\n';
  std::ofstream(folder_ / "settings.json")
      << R"({"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 5, "min_new_tokens": 5})";
  const std::vector<std::string> what{folder_ / "model",         "--input",
                                      folder_ / "new.jsonl",     "--generation",
                                      folder_ / "settings.json", "--json"};
  const auto run = [&](std::vector<std::string> command) {
    command.insert(command.end(), what.begin(), what.end());
    const ProgramResult result = program.run(command);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  const json timed = json::parse(run({"bench", "generate", "--repeats", "2"}));
  EXPECT_EQ(timed.at("tokens"), 2 * 2 * 5);
  EXPECT_NEAR(timed.at("tokens_per_second").get<double>() * timed.at("seconds").get<double>(), 20, 1e-6);
  auto written = by_id(run({"generate"}));
  ASSERT_EQ(timed.at("written").size(), written.size());
  for (const json& record : timed.at("written")) EXPECT_EQ(record, written.at(record.at("id")));
  EXPECT_EQ(program.run({"bench", "generate", what[0], "--generation", folder_ / "settings.json"}).code, 2);
  const ProgramResult of_nothing = program.run({"bench", "generate", what[0]});
  EXPECT_EQ(of_nothing.code, 2);
  EXPECT_NE(of_nothing.err.find("name records with --input"), std::string::npos) << of_nothing.err;
}

}  // namespace
}  // namespace lf
