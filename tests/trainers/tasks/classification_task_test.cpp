// Fine-tuning a classifier: learning, scores, resuming, token budgets, and the way out to Hugging Face's form
// and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <utility>

#include "core/files.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "tests/trainers/ranks/ranks_in_a_run.h"
#include "trainers/config/load.h"
#include "trainers/measure/predicted_run.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/classification_task.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

using nlohmann::json;

class ClassificationTaskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_model(folder_ / "model", "longformer");
    write_documents("train.jsonl", 48, 1);
    write_documents("dev.jsonl", 12, 2);
  }

  // Documents of 4 to 41 words; a third of them tell the label.
  void write_documents(const std::string& name, int count, uint32_t seed) {
    std::ofstream file(folder_ / name);
    for (int i = 0; i < count; ++i) {
      seed = seed * 1664525 + 1013904223;
      const bool good = i % 3 != 0;
      std::string words;
      for (uint32_t w = 0; w < 3 + seed % 38; ++w) words += w % 3 != 0 ? "and " : good ? "yes " : "no ";
      file << json{{"id", name + std::to_string(i)},
                   {"text", words + "end"},
                   {"label", good ? "good" : "bad"}}
                  .dump()
           << '\n';
    }
  }

  RunConfig config(const std::string& stage, const std::string& section = "", const std::string& more = "") {
    std::string entry = "name: a, learning_rate: 0.01, batch_size: 8, " + stage;
    if (stage.find("sequence_length") == std::string::npos) entry += ", sequence_length: 64";
    return parse_run_config(
        "task: classification\ndata: {path: " + (folder_ / "train.jsonl") +
            "}\nclassification: {model: " + (folder_ / "model") + ", validation: " + (folder_ / "dev.jsonl") +
            section + "}\nstages: {list: [{" + entry +
            "}]}\nlog: {every_steps: 1}\nvalidation: {every_steps: 5, batch_size: 4}\n" + more,
        "test.yaml");
  }
  static void says(const Task& task, const std::string& words) {
    std::string notices;
    for (const std::string& notice : task.notices()) notices += notice + "\n";
    EXPECT_NE(notices.find(words), std::string::npos) << notices;
  }
  std::vector<double> trained(const std::string& run, const std::string& file = "model.safetensors") {
    std::vector<std::string> warnings;
    const std::string name = file[0] == 'm' ? "classifier.dense.weight" : "first.classifier.dense.weight";
    return newest_checkpoint(folder_ / run, warnings)->read(file, name).to_doubles();
  }

  TemporaryFolder folder_;
};

TEST_F(ClassificationTaskTest, RanksTrainOneRun) {
  expect_same_run_of_ranks(config("steps: 6, micro_batch_tokens: 80", ", class_weights: balanced"),
                           folder_.path(), 6, {2, 3});
}

TEST_F(ClassificationTaskTest, SlicesTrainTheRun) {
  expect_slices_train_the_run(config("steps: 6, micro_batch_tokens: 80", ", class_weights: balanced"),
                              folder_.path(), 6, {2});
}

TEST_F(ClassificationTaskTest, LearnsAndKeepsItsBestCheckpoint) {
  EXPECT_EQ(Trainer(config("epochs: 30", ", metric: macro_f1, dropout: 0", "optimizer: {clip: 1}\n"),
                    folder_ / "run", false)
                .run(),
            RunEnd::finished);
  std::vector<LogRecord> log = read_run_log(folder_ / "run/log.jsonl");
  int64_t steps = 0;
  std::vector<double> losses;
  json last;
  for (const LogRecord& record : log) {
    if (record.fields.at("event") == "step") {
      ++steps;
      losses.push_back(record.fields.at("loss"));
      EXPECT_FALSE(record.fields.contains("bits_per_document"));
    }
    if (record.fields.at("event") == "validation") last = record.fields;
    EXPECT_NE(record.fields.at("event"), "test") << "there is no test split";
  }
  EXPECT_EQ(steps, 180);  // 30 epochs of 48 documents
  EXPECT_LT(losses.back(), 0.2);
  EXPECT_DOUBLE_EQ(last.at("accuracy").get<double>(), 1);
  EXPECT_DOUBLE_EQ(last.at("macro_f1").get<double>(), 1);
  EXPECT_EQ(last.at("documents"), 12);
  EXPECT_EQ(log.back().fields.at("validation_macro_f1"), 1);
  const OpenedModel best = open_model(folder_ / "run", {.checkpoint = "best", .overrides = {}, .device = {}});
  EXPECT_DOUBLE_EQ(
      best.task->evaluate(Split::validation, Effort::report, best.stage, RankGrid(), {}).deciding().value, 1);
}

TEST_F(ClassificationTaskTest, AStopAndAResumeChangeNoBit) {
  const RunConfig c =
      config("steps: 12", ", class_weights: balanced, head_rate_factor: 3", "checkpoint: {every_steps: 4}\n");
  Trainer(c, folder_ / "whole", false).run();
  const auto requests = std::make_shared<RunRequests>();
  {
    Trainer first(c, folder_ / "parts", false, requests);
    requests->stop(SIGTERM);
    EXPECT_EQ(first.run(), RunEnd::stopped);
  }
  EXPECT_EQ(Trainer(c, folder_ / "parts", true).run(), RunEnd::finished);
  EXPECT_EQ(trained("parts"), trained("whole"));
  EXPECT_EQ(trained("parts", "optimizer.safetensors"), trained("whole", "optimizer.safetensors"));
  EXPECT_EQ(read_file(folder_ / "parts/log.jsonl"), read_file(folder_ / "whole/log.jsonl"));
}

// The gradient of an update is that of its documents, however they are put together.
TEST_F(ClassificationTaskTest, ABatchGivesTheLossAndGradientsOfItsDocuments) {
  const RunConfig c = config("steps: 1", ", dropout: 0, attention_dropout: 0, class_weights: balanced");
  Stage stage = resolved_stages(c).front();
  const auto gradients = [&](int64_t micro_batch, int64_t budget) {
    const auto task = make_task(c);
    stage.micro_batch = micro_batch;
    stage.micro_batch_tokens = budget;
    double loss = 0;
    for (const ExampleRange& range : micro_batches_of(*task, stage, 0)) {
      const auto batch = task->read(stage, range);
      loss += forward_backward(*task, *batch, stage, 1, {.training = true}).item();
    }
    return std::pair(loss, task->parameters().gradients.clone());
  };
  const auto [alone, expected] = gradients(1, 0);
  for (const auto& [loss, received] : {gradients(8, 0), gradients(8, 100)}) {
    EXPECT_NEAR(loss / alone, 1, 1e-6);
    EXPECT_CLOSE(received, expected, 1e-5);
  }
}

TEST_F(ClassificationTaskTest, GoesOutToHuggingFaceAndBack) {
  Trainer(config("steps: 6"), folder_ / "run", false).run();
  const OpenedModel run = open_model(folder_ / "run");
  run.task->export_model(folder_ / "exported");
  const json written = json::parse(read_file(folder_ / "exported/config.json"));
  EXPECT_EQ(written.at("architectures"), json{"LongformerForSequenceClassification"});
  EXPECT_EQ(written.at("id2label"), (json{{"0", "bad"}, {"1", "good"}}));
  const OpenedModel again = open_model(folder_ / "exported");
  EXPECT_EQ(again.task->parameters().values.to_doubles(), run.task->parameters().values.to_doubles());
  const auto& model = dynamic_cast<const ClassificationTask&>(*again.task);
  EXPECT_EQ(model.labels(), (std::vector<std::string>{"bad", "good"}));
}

// A fine-tuned classifier as the start for data with these labels, one document each.
TEST_F(ClassificationTaskTest, RowsOfAHeadGoByTheNamesOfItsClasses) {
  Trainer(config("steps: 6"), folder_ / "run", false).run();
  open_model(folder_ / "run").task->export_model(folder_ / "exported");
  const auto start = [&](const std::vector<std::string>& labels, const std::string& section = "") {
    std::ofstream file(folder_ / "labels.jsonl");
    for (const std::string& label : labels) file << json{{"text", label}, {"label", label}}.dump() << '\n';
    file.close();
    return make_task(parse_run_config("task: classification\ndata: {path: " + (folder_ / "labels.jsonl") +
                                          "}\nclassification: {model: " + (folder_ / "exported") + section +
                                          "}\nstages: {list: [{sequence_length: 64, learning_rate: 0.1, "
                                          "steps: 1}]}\n",
                                      "test.yaml"));
  };
  const auto head = [](Task& task) {
    std::map<std::string, std::vector<double>> rows;
    for (const PackedParameter& p : task.parameters().parameters)
      if (p.name.starts_with("classifier.out_proj")) rows[p.name] = task.parameters().value(p).to_doubles();
    return rows;
  };
  const auto swapped = [](std::map<std::string, std::vector<double>> rows) {
    for (auto& [name, values] : rows) {
      const auto half = static_cast<std::ptrdiff_t>(values.size() / 2);
      std::rotate(values.begin(), values.begin() + half, values.end());
    }
    return rows;
  };
  const auto same = head(*start({"good", "bad"}));
  EXPECT_EQ(same, head(*open_model(folder_ / "exported").task));
  EXPECT_EQ(head(*start({"good", "bad"}, ", labels: [good, bad]")), swapped(same));
  const auto other = start({"no", "yes"});
  EXPECT_EQ(head(*other), same);
  says(*other,
       "was trained for the classes \"bad\", \"good\": they are taken for \"no\", \"yes\" in this order");
  const auto anew = start({"no", "yes"}, ", new_head: true");
  EXPECT_NE(head(*anew), same);
  says(*anew, "its classification head is not used; one starts anew, for 2 classes");
  EXPECT_ERROR_TEXT(start({"x", "y", "z"}),
                    "head tells 2 classes (\"bad\", \"good\"), the data have 3 labels (\"x\", \"y\", \"z\"); "
                    "classification.new_head: true starts a head anew");
  EXPECT_EQ(head(*start({"x", "y", "z"}, ", new_head: true")).at("classifier.out_proj.bias").size(), 3u);
  json written = json::parse(read_file(folder_ / "exported/config.json"));
  written["id2label"] = {{"0", "LABEL_0"}, {"1", "LABEL_1"}};
  std::ofstream(folder_ / "exported/config.json") << written.dump();
  says(*start({"no", "yes"}), "head does not name its classes: they are taken for");
}

TEST_F(ClassificationTaskTest, AScoreHasItsConfusionMatrixAndEachClasssScores) {
  Trainer(config("epochs: 30", ", dropout: 0", "optimizer: {clip: 1}\n"), folder_ / "run", false).run();
  const Program program;
  const std::vector<std::string> evaluate = {"evaluate", folder_ / "run", "--split", "validation"};
  const ProgramResult words = program.run(evaluate);
  EXPECT_NE(words.out.find("  confusion:\n    [4,0]\n    [0,8]\n  classes:\n"), std::string::npos)
      << words.out;
  EXPECT_NE(words.out.find("    bad: precision 1.0, recall 1.0, f1 1.0, documents 4\n"), std::string::npos)
      << words.out;
  // Two of the bad ones are called good now: rows are what is, columns what was answered.
  std::string data = read_file(folder_ / "dev.jsonl");
  for (int i = 0; i < 2; ++i) data.replace(data.find("\"bad\""), 5, "\"good\"");
  std::ofstream(folder_ / "dev.jsonl") << data;
  std::vector<std::string> other = evaluate;
  other.insert(other.end(), {"--allow-other-data", "--json"});
  const json score = json::parse(program.run(other).out);
  EXPECT_EQ(score.at("confusion"), (json{{2, 0}, {2, 8}}));
  const json& good = score.at("classes").at("good");
  EXPECT_DOUBLE_EQ(good.at("precision"), 1.0);
  EXPECT_DOUBLE_EQ(good.at("recall"), 0.8);
  EXPECT_EQ(good.at("documents"), 10);
  EXPECT_DOUBLE_EQ(score.at("classes").at("bad").at("precision"), 0.5);
}

TEST_F(ClassificationTaskTest, ACheckpointIsOpenedByItsName) {
  Trainer(config("steps: 4", "", "checkpoint: {every_steps: 2}\n"), folder_ / "run", false).run();
  EXPECT_EQ(open_model(folder_ / "run", {.checkpoint = "step-000000002"}).state.step, 2);
  EXPECT_ERROR_TEXT(open_model(folder_ / "run", {.checkpoint = "step-000000003"}),
                    "checkpoint step-000000003 is none");
}

TEST_F(ClassificationTaskTest, AModelThatIsNotFiniteIsNamedBeforeItIsTrained) {
  const std::string path = folder_ / "model/model.safetensors";
  std::string bytes = read_file(path);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + bytes.size() - sizeof nan, &nan, sizeof nan);
  std::ofstream(path, std::ios::binary) << bytes;
  const auto says = [&](const auto& open) {
    testing::internal::CaptureStderr();
    open();
    return testing::internal::GetCapturedStderr().find(path + ": 1 tensor is not finite") !=
           std::string::npos;
  };
  EXPECT_TRUE(says([&] { Trainer(config("steps: 1"), folder_ / "run", false); }));
  EXPECT_TRUE(says([&] { PredictedRun(config("steps: 1"), false); }));
}

TEST_F(ClassificationTaskTest, WhatARunHasLearnedIsNotChangedWhenItIsOpened) {
  Trainer(config("steps: 1"), folder_ / "run", false).run();
  EXPECT_ERROR_TEXT(open_model(folder_ / "run", {.overrides = {"classification.labels=[good, bad]"}}),
                    "classification.labels is the run's: its weights have learned it as it was");
}

TEST_F(ClassificationTaskTest, GlobalAttentionIsAsConfigured) {
  const auto loss_with = [&](const std::string& choice) {
    const RunConfig c = config("steps: 1", ", dropout: 0, attention_dropout: 0, global_" + choice);
    const Stage stage = resolved_stages(c).front();
    const auto task = make_task(c);
    return forward_backward(*task, *task->read(stage, {0, 8}), stage, 1, {}).item();
  };
  EXPECT_NE(loss_with("attention: none"), loss_with("attention: first_token"));
  EXPECT_NE(loss_with("projections: shared"), loss_with("projections: own"));
  EXPECT_EQ(loss_with("projections: own"), loss_with("attention: first_token"));
}

// A model of shared projections is, for others, one whose global projections are copies.
TEST_F(ClassificationTaskTest, SharedProjectionsGoOutAsCopies) {
  Trainer(config("steps: 4", ", global_projections: shared", "checkpoint: {every_steps: 2}\n"),
          folder_ / "run", false)
      .run();
  const OpenedModel run = open_model(folder_ / "run", {.checkpoint = "step-000000002"});
  run.task->export_model(folder_ / "exported");
  const RunConfig own = config("steps: 1", ", global_projections: own");
  const Stage stage = resolved_stages(own).front();
  const auto exported = open_model(folder_ / "exported");
  const auto batch = make_task(own)->read(stage, {0, 8});
  const NoGrad no_grad;
  EXPECT_NEAR(exported.task->loss(*batch, stage, {}).value().item(),
              run.task->loss(*batch, stage, {}).value().item(), 1e-5);
}

TEST_F(ClassificationTaskTest, SaysWhatIsCutAndWhatStartsAnew) {
  const auto task = make_task(config("steps: 1, sequence_length: 16"));
  says(*task, "has no classification head: it starts anew, for 2 classes");
  says(*task, "train documents are longer than 16 tokens and are cut there");
  Stage stage = resolved_stages(config("steps: 1")).front();
  stage.sequence_length = 65;
  EXPECT_ERROR_TEXT(task->check_stage(stage), "sequence_length is 65");
  EXPECT_ERROR_TEXT(open_model(folder_ / "model", {}).task->text_model(stage), "writes no text");
}

TEST_F(ClassificationTaskTest, BadInputIsRefused) {
  const auto open = [&](const std::string& section) { make_task(config("steps: 1", section)); };
  EXPECT_ERROR_TEXT(open(", labels: [good, ugly]"), "bad");
  EXPECT_ERROR_TEXT(open(", text_key: body"), "train.jsonl:1");
  EXPECT_ERROR_TEXT(open(", test: " + (folder_ / "none.csv")),
                    "classification.test: " + (folder_ / "none.csv does not exist"));
  EXPECT_ERROR_TEXT(
      parse_run_config("task: classification\nstages: {list: [{sequence_length: 8, learning_rate: 1, "
                       "steps: 1}]}\n",
                       "test.yaml"),
      "classification.model: is missing: Folder of the pretrained model");
  EXPECT_ERROR_TEXT(config("steps: 1, windows: 3"),
                    "stages.list.0.windows: means nothing to task: classification");
  EXPECT_ERROR_TEXT(config("tokens: 100"), "stages.list.0.tokens: means nothing to task: classification");
}

TEST_F(ClassificationTaskTest, AnswersRecordsFromTheCommandLine) {
  Trainer(config("epochs: 30, sequence_length: 48", ", dropout: 0", "optimizer: {clip: 1}\n"),
          folder_ / "run", false)
      .run();
  std::ofstream(folder_ / "new.jsonl") << R"({"id": "a", "text": "yes and and yes end"})"
                                          "\n"
                                          R"({"id": "b", "text": "no and and no and and no end"})"
                                          "\n";
  std::filesystem::remove(folder_ / "train.jsonl");  // a run's model needs no data
  const Program program;
  const ProgramResult outcome = program.run({"predict", folder_ / "run", folder_ / "new.jsonl"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::map<std::string, json> answers;
  for (std::string line; std::getline(lines, line);) {
    const json answer = json::parse(line);
    answers[answer.at("id")] = answer;
  }
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers["a"].at("label"), "good");
  EXPECT_EQ(answers["b"].at("label"), "bad");
  const auto& p = answers["a"].at("probabilities");
  EXPECT_NEAR(p.at("good").get<double>() + p.at("bad").get<double>(), 1, 1e-6);
  EXPECT_GT(p.at("good").get<double>(), 0.5);
  // What a run has never read it does not read now, so that scores and answers are of the same tokens.
  std::string words;
  for (int i = 0; i < 70; ++i) words += " and";
  std::ofstream(folder_ / "odd.jsonl") << json{{"id", "long"}, {"text", words}}.dump() << '\n'
                                       << json{{"id", "empty"}, {"text", " "}}.dump() << '\n';
  const ProgramResult odd = program.run({"predict", folder_ / "run", folder_ / "odd.jsonl"});
  EXPECT_NE(odd.err.find("odd.jsonl:1: 72 tokens, of which the first 48 are read"), std::string::npos)
      << odd.err;
  EXPECT_NE(odd.err.find("odd.jsonl:2: an empty text"), std::string::npos) << odd.err;
  // Nor does it attend to it. The first token is global, as for answers.
  ASSERT_EQ(program
                .run({"predict", folder_ / "run", folder_ / "odd.jsonl", "--what", "attention", "--out",
                      folder_ / "a.safetensors"})
                .code,
            0);
  const SafetensorsFile attention(folder_ / "a.safetensors");
  EXPECT_EQ(attention.info("long.attentions").shape, (Shape{2, 1, 4, 48, 14}));
  EXPECT_EQ(attention.info("long.global_attentions").shape, (Shape{2, 1, 4, 48, 1}));
}

TEST_F(ClassificationTaskTest, AnswersNeverReplaceTheRecords) {
  std::ofstream(folder_ / "a.jsonl") << R"({"id": "a", "text": "yes"})";
  std::filesystem::create_symlink("a.jsonl", folder_ / "link.jsonl");
  const Program program;
  const ProgramResult refused =
      program.run({"predict", folder_ / "model", folder_ / "a.jsonl", "--out", folder_ / "link.jsonl"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("link.jsonl is the file of records itself"), std::string::npos) << refused.err;
  EXPECT_EQ(read_file(folder_ / "a.jsonl"), R"({"id": "a", "text": "yes"})");
  std::ofstream(folder_ / "a.csv") << "id,text\n";
  const ProgramResult table = program.run({"predict", folder_ / "model", folder_ / "a.csv"});
  EXPECT_NE(table.err.find("a.csv: a table; records are JSON lines"), std::string::npos) << table.err;
}

}  // namespace
}  // namespace lf
