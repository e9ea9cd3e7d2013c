// Fine-tuning a token classifier: learning, windows, scores, resuming, ranks, and the way out to Hugging
// Face's form and back.
#include "trainers/tasks/token_classification_task.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <utility>

#include "core/files.h"
#include "tests/cli/started_ranks.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "tests/trainers/ranks/ranks_in_a_run.h"
#include "trainers/config/load.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

class TokenClassificationTaskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_model(folder_ / "model", "longformer");
    write_columns("train.conll", 40, 1);
    write_columns("dev.conll", 10, 2);
  }

  // Sentences of 4 words or more; "of" and "of to" are persons, "the" is a place.
  void write_columns(const std::string& name, int sentences, uint32_t seed) const {
    std::ofstream file(folder_ / name);
    std::mt19937 random(seed);
    for (int i = 0; i < sentences; ++i) {
      for (uint32_t word = 0, count = 4 + random() % 36; word < count; ++word) {
        const uint32_t kind = random() % 7;
        if (kind == 0)
          file << "of\tB-person\nto\tI-person\n";
        else if (kind == 1)
          file << "of\tB-person\n";
        else if (kind == 2)
          file << "the\tB-place\n";
        file << "and\tO\n";
      }
      file << '\n';
    }
  }

  RunConfig config(const std::string& stage, const std::string& section = "",
                   const std::string& more = "") const {
    std::string entry = "name: a, learning_rate: 0.01, batch_size: 8, " + stage;
    if (stage.find("sequence_length") == std::string::npos) entry += ", sequence_length: 64";
    return parse_run_config(
        "task: token_classification\ndata: {path: " + (folder_ / "train.conll") +
            "}\ntoken_classification: {model: " + (folder_ / "model") +
            ", validation: " + (folder_ / "dev.conll") + section + "}\nstages: {list: [{" + entry +
            "}]}\nlog: {every_steps: 1}\nvalidation: {every_steps: 5, batch_size: 4}\n" + more,
        "test.yaml");
  }
  std::string trained_run() const {
    EXPECT_EQ(
        Trainer(config("epochs: 40", ", dropout: 0", "optimizer: {clip: 1}\n"), folder_ / "run", false).run(),
        RunEnd::finished);
    return folder_ / "run";
  }
  static void says(const Task& task, const std::string& words) {
    std::string notices;
    for (const std::string& notice : task.notices()) notices += notice + "\n";
    EXPECT_NE(notices.find(words), std::string::npos) << notices;
  }
  static Evaluation scored(Task& task, const Stage& stage) {
    return task.evaluate(Split::validation, Effort::report, stage, RankGrid(), {});
  }

  TemporaryFolder folder_;
};

TEST_F(TokenClassificationTaskTest, RanksTrainOneRun) {
  expect_same_run_of_ranks(config("steps: 6, sequence_length: 24, micro_batch_tokens: 80"), folder_.path(), 6,
                           {2, 3});
}

TEST_F(TokenClassificationTaskTest, SlicesTrainTheRun) {
  expect_slices_train_the_run(config("steps: 6, sequence_length: 24, micro_batch_tokens: 80"), folder_.path(),
                              6, {2});
}

TEST_F(TokenClassificationTaskTest, LearnsAndKeepsItsBestCheckpoint) {
  const std::string run = trained_run();
  json last;
  for (const LogRecord& record : read_run_log(run + "/log.jsonl"))
    if (record.fields.at("event") == "validation") last = record.fields;
  EXPECT_GT(last.at("f1").get<double>(), 0.98);
  EXPECT_GT(last.at("accuracy").get<double>(), 0.98);
  EXPECT_EQ(last.at("words"), scored(*open_model(run).task, open_model(run).stage).deciding().count);
  const OpenedModel best = open_model(run, {.checkpoint = "best", .overrides = {}, .device = {}});
  const Evaluation score = scored(*best.task, best.stage);
  EXPECT_EQ(score.deciding().name, "f1");
  EXPECT_GT(score.deciding().value, 0.98);
  EXPECT_TRUE(score.details["types"].contains("person"));
  // Windows tell what whole sentences tell: these entities need no more than the word before.
  const OpenedModel cut =
      open_model(run, {.checkpoint = "best", .overrides = {"stages.list.0.sequence_length=16"}});
  EXPECT_GT(scored(*cut.task, cut.stage).deciding().value, 0.9);
  EXPECT_EQ(scored(*cut.task, cut.stage).deciding().count, score.deciding().count) << "every word once";
}

TEST_F(TokenClassificationTaskTest, AStopAndAResumeChangeNoBit) {
  const RunConfig c =
      config("steps: 12, sequence_length: 24", ", head_rate_factor: 3", "checkpoint: {every_steps: 4}\n");
  Trainer(c, folder_ / "whole", false).run();
  const auto requests = std::make_shared<RunRequests>();
  {
    Trainer first(c, folder_ / "parts", false, requests);
    requests->stop(SIGTERM);
    EXPECT_EQ(first.run(), RunEnd::stopped);
  }
  EXPECT_EQ(Trainer(c, folder_ / "parts", true).run(), RunEnd::finished);
  expect_same_end(folder_ / "parts", folder_ / "whole", 12);
}

// The gradient of an update is that of its windows, however they are put together; a word without a class has
// none.
TEST_F(TokenClassificationTaskTest, ABatchGivesTheLossAndGradientsOfItsWindows) {
  const RunConfig c =
      config("steps: 1, sequence_length: 20", ", dropout: 0, attention_dropout: 0, overlap: 6");
  Stage stage = resolved_stages(c).front();
  const auto gradients = [&](int64_t micro_batch, int64_t budget) {
    const auto task = make_task(c);
    stage.micro_batch = micro_batch;
    stage.micro_batch_tokens = budget;
    double loss = 0, weight = 0;
    for (const ExampleRange& range : micro_batches_of(*task, stage, 0)) {
      const auto batch = task->read(stage, range);
      loss += forward_backward(*task, *batch, stage, 1, {.training = true}).item();
      weight += batch->about.weight;
    }
    EXPECT_GT(weight, 40);
    return std::pair(loss, task->parameters().gradients.clone());
  };
  const auto [alone, expected] = gradients(1, 0);
  for (const auto& [loss, received] : {gradients(8, 0), gradients(8, 50)}) {
    EXPECT_NEAR(loss / alone, 1, 1e-6);
    EXPECT_CLOSE(received, expected, 1e-5);
  }
}

TEST_F(TokenClassificationTaskTest, AnEpochHasEveryWordOnce) {
  const RunConfig c = config("steps: 1, sequence_length: 16");
  const Stage stage = resolved_stages(c).front();
  const auto task = make_task(c);
  const int64_t windows = task->examples(stage);
  EXPECT_GT(windows, 60);
  EXPECT_EQ(task->about(stage, {0, windows}).weight, task->facts().at("words").at("train").get<double>());
}

TEST_F(TokenClassificationTaskTest, GoesOutToHuggingFaceAndBack) {
  Trainer(config("steps: 6"), folder_ / "run", false).run();
  const OpenedModel run = open_model(folder_ / "run");
  run.task->export_model(folder_ / "exported");
  const json written = json::parse(read_file(folder_ / "exported/config.json"));
  EXPECT_EQ(written.at("architectures"), json{"LongformerForTokenClassification"});
  EXPECT_EQ(written.at("id2label").at("1"), "B-person");
  const OpenedModel again = open_model(folder_ / "exported");
  EXPECT_EQ(again.task->parameters().values.to_doubles(), run.task->parameters().values.to_doubles());
  const auto& model = dynamic_cast<const TokenClassificationTask&>(*again.task);
  EXPECT_EQ(model.labels(), (Strings{"O", "B-person", "I-person", "B-place", "I-place"}));
  // A start for the same tags in another order, and for others.
  const auto start = [&](const std::string& section) {
    RunConfig c = config("steps: 1", section);
    c.token_classification.model = folder_ / "exported";
    return make_task(c);
  };
  const auto bias = [](Task& task) {
    for (const PackedParameter& p : task.parameters().parameters)
      if (p.name == "classifier.bias") return task.parameters().value(p).to_doubles();
    return std::vector<double>();
  };
  const std::vector<double> same = bias(*again.task);
  const auto reordered = start(", labels: [B-place, I-place, O, B-person, I-person]");
  EXPECT_EQ(bias(*reordered), (std::vector<double>{same[3], same[4], same[0], same[1], same[2]}));
  EXPECT_ERROR_TEXT(
      start(", labels: [O, B-person, I-person, B-place]"),
      "head tells 5 tags (\"O\", \"B-person\", \"I-person\", \"B-place\", \"I-place\"), the data have 4 "
      "labels");
  // A head of another kind is none.
  json other = written;
  other["architectures"] = {"LongformerForSequenceClassification"};
  std::ofstream(folder_ / "exported/config.json") << other.dump();
  says(*start(""), "exported has no head for tokens: it starts anew, for 5 tags");
  std::ofstream(folder_ / "exported/config.json") << written.dump();
  says(*start(", new_head: true"), "its head for tokens is not used; one starts anew, for 5 tags");
}

TEST_F(TokenClassificationTaskTest, AnswersRecordsFromTheCommandLine) {
  const std::string run = trained_run();
  std::filesystem::remove(folder_ / "train.conll");  // a run's model needs no data
  std::string lengthy;
  for (int i = 0; i < 60; ++i) lengthy += "and the ";
  std::ofstream(folder_ / "new.jsonl") << R"({"id": "a", "text": "and of to and the"})" << '\n'
                                       << R"({"id": "b", "tokens": ["and", "the", "and", "of"]})" << '\n'
                                       << json{{"id", "c"}, {"text", lengthy}}.dump() << '\n'
                                       << R"({"id": "d", "text": " "})" << '\n';
  const Program program;
  const auto predicted = [&](const Strings& more) {
    Strings command = {"predict", run, folder_ / "new.jsonl"};
    command.insert(command.end(), more.begin(), more.end());
    const ProgramResult outcome = program.run(command, "", kRanksEnvironment);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("new.jsonl:4: an empty text"), std::string::npos) << outcome.err;
    std::map<std::string, json> answers;
    for (const std::string& line : lines_of(outcome.out))
      answers[json::parse(line).at("id")] = json::parse(line);
    EXPECT_EQ(answers.size(), 4u);
    return answers;
  };
  auto answers = predicted({});
  const json& a = answers["a"].at("entities");
  ASSERT_EQ(a.size(), 2u) << a;
  EXPECT_EQ(a[0].at("start"), 4);
  EXPECT_EQ(a[0].at("end"), 9);
  EXPECT_EQ(a[0].at("label"), "person");
  EXPECT_EQ(a[0].at("text"), "of to");
  EXPECT_GT(a[0].at("score").get<double>(), 0.5);
  EXPECT_EQ(a[1].at("text"), "the");
  const json& b = answers["b"].at("entities");
  ASSERT_EQ(b.size(), 2u) << b;
  EXPECT_EQ(b[0].at("start"), 1) << "tokens are counted where a record has them";
  EXPECT_EQ(b[1].at("label"), "person");
  // Longer than what the run reads at once: in windows, so that nothing is cut.
  EXPECT_EQ(answers["c"].at("entities").size(), 60u);
  EXPECT_TRUE(answers["d"].at("entities").empty());
  auto tags = predicted({"--what", "tags"});
  EXPECT_EQ(tags["b"].at("tags"), (json{"O", "B-place", "O", "B-person"}));
  EXPECT_EQ(tags["a"].at("tokens"), (json{"and", "of", "to", "and", "the"}));
  // What ranks divide are the same lines.
  EXPECT_EQ(predicted({"--ranks", "2"}), answers);
}

TEST_F(TokenClassificationTaskTest, WritesLogitsOfEveryToken) {
  Trainer(config("steps: 1"), folder_ / "run", false).run();
  std::ofstream(folder_ / "a.jsonl") << R"({"id": "x", "text": "and of"})";
  const Program program;
  const ProgramResult outcome = program.run({"predict", folder_ / "run", folder_ / "a.jsonl", "--what",
                                             "logits", "--out", folder_ / "a.safetensors"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const SafetensorsFile file(folder_ / "a.safetensors");
  EXPECT_EQ(file.info("x.logits").shape.rank(), 3);
  EXPECT_EQ(file.info("x.logits").shape[2], 5);
  std::ofstream(folder_ / "ids.jsonl") << R"({"id": "x", "ids": [[0, 5, 2]]})";
  const ProgramResult refused = program.run({"predict", folder_ / "run", folder_ / "ids.jsonl"});
  EXPECT_NE(refused.err.find("ids.jsonl:1: ids have no words"), std::string::npos) << refused.err;
  const ProgramResult unknown =
      program.run({"predict", folder_ / "run", folder_ / "a.jsonl", "--what", "classes"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("needed entities, tags, logits, hidden or attention"), std::string::npos);
}

TEST_F(TokenClassificationTaskTest, GlobalAttentionIsAsConfigured) {
  const auto loss_with = [&](const std::string& choice) {
    const RunConfig c = config("steps: 1", ", dropout: 0, attention_dropout: 0, global_attention: " + choice);
    const Stage stage = resolved_stages(c).front();
    const auto task = make_task(c);
    return forward_backward(*task, *task->read(stage, {0, 4}), stage, 1, {}).item();
  };
  EXPECT_NE(loss_with("none"), loss_with("first_token"));
}

TEST_F(TokenClassificationTaskTest, BadInputIsRefused) {
  const auto open = [&](const std::string& section) { make_task(config("steps: 1", section)); };
  EXPECT_ERROR_TEXT(open(", tag_column: 3"), "train.conll:1: the tags are to be in column 3");
  EXPECT_ERROR_TEXT(open(", test: " + (folder_ / "none")),
                    "token_classification.test: " + (folder_ / "none"));
  EXPECT_ERROR_TEXT(config("steps: 1, windows: 3"), "means nothing to task: token_classification");
  const auto task = make_task(config("steps: 1", ", overlap: 20"));
  Stage stage = resolved_stages(config("steps: 1")).front();
  stage.sequence_length = 65;
  EXPECT_ERROR_TEXT(task->check_stage(stage), "sequence_length is 65");
  stage.sequence_length = 22;
  EXPECT_ERROR_TEXT(task->check_stage(stage), "cannot overlap by 20 tokens (token_classification.overlap)");
  says(*task, "has no head for tokens: it starts anew, for 5 tags");
}

}  // namespace
}  // namespace lf
