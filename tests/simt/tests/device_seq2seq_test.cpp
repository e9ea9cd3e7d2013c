// Fine-tuning a BART or LED on the device: its updates, gradients, scores and written texts are the CPU's.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/config/load.h"
#include "trainers/generation/source_texts.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/tasks/seq2seq_task.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

class DeviceSeq2Seq : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    write_pairs("train.jsonl", 12);
    write_pairs("dev.jsonl", 5);
  }

  // Texts of several lengths, longer than LED's windows; a summary is the word that the text repeats.
  void write_pairs(const std::string& name, int count) {
    std::ofstream file(folder_ / name);
    for (int i = 0; i < count; ++i) {
      const std::string word = i % 2 == 0 ? "yes " : "no ";
      std::string source;
      for (int w = 0; w < 3 + 5 * i % 11; ++w) source += word;
      std::string target = word;
      for (int w = 0; w < i % 3; ++w) target += word;
      file << json{{"id", std::to_string(i)}, {"source", source + "end"}, {"target", target}}.dump() << '\n';
    }
  }
  // Heads as wide as the kernels of tensor cores have them, two in the encoder and one in the decoder.
  std::string wide_heads() {
    const json more = {{"d_model", 64}, {"encoder_attention_heads", 2}, {"decoder_attention_heads", 1}};
    return write_tiny_seq2seq(folder_ / "wide", GetParam(), 1, more);
  }
  std::string narrow_heads() { return write_tiny_seq2seq(folder_ / "model", GetParam()); }

  RunConfig config(const std::string& device, const std::string& model, const std::string& stage,
                   const std::string& section = "", const std::string& more = "") {
    return parse_run_config(
        "task: seq2seq\ndevice: " + device + "\ndata: {path: " + (folder_ / "train.jsonl") +
            "}\nseq2seq: {model: " + model + ", validation: " + (folder_ / "dev.jsonl") +
            ", target_length: 16, attention_dropout: 0.1, label_smoothing: 0.1" + section +
            "}\nstages: {list: [{name: a, learning_rate: 0.003, batch_size: 4, sequence_length: 40, " +
            stage + "}]}\nvalidation: {batch_size: 4}\nlog: {every_steps: 1, tensorboard: false}\n" + more,
        "test.yaml");
  }

  // Losses of a run's updates, and the validation's behind them.
  std::vector<double> losses(const RunConfig& c, const std::string& name) {
    EXPECT_EQ(Trainer(c, folder_ / name, false).run(), RunEnd::finished);
    std::vector<double> result;
    for (const LogRecord& record : read_run_log(folder_ / (name + "/log.jsonl"))) {
      if (record.fields.at("event") == "step") result.push_back(log_number(record.fields.at("loss")));
    }
    const OpenedModel run = open_model(folder_ / name);
    result.push_back(run.task->evaluate(Split::validation, Effort::validation, run.stage, RankGrid(), {})
                         .metrics.at(0)
                         .value);
    return result;
  }
  static void expect_same(const std::vector<double>& received, const std::vector<double>& expected,
                          double tolerance) {
    ASSERT_EQ(received.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(received[i], expected[i], tolerance * expected[i]) << i;
  }

  struct Backward {
    ParameterBlock block;
    double loss;
  };
  // Of one micro-batch of all pairs, with dropout.
  Backward backward(const RunConfig& c) {
    Seq2SeqTask task(c, {});
    const Stage stage = resolved_stages(c).front();
    const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 7, .step = 3};
    const auto batch = task.read(stage, {0, 12});
    const double loss = forward_backward(task, *batch, stage, 1 / batch->about.weight, pass).item();
    return {task.parameters(), loss};
  }

  TemporaryFolder folder_;
};

constexpr const char* kThreeUpdates = "micro_batch: 2, steps: 3";

TEST_P(DeviceSeq2Seq, LossesAreTheCpus) {
  const std::string model = narrow_heads();
  const auto run = [&](const std::string& device, const std::string& name, const std::string& stage) {
    return losses(config(device, model, stage, "", "precision: f32\n"), name);
  };
  const std::vector<double> expected = run("cpu", "cpu", kThreeUpdates);
  ASSERT_EQ(expected.size(), 4u);
  expect_same(run("cuda", "cuda", kThreeUpdates), expected, tolerance_of(DType::f32, Compared::updates));
}

TEST_P(DeviceSeq2Seq, GradientsAreTheCpus) {
  const std::string model = narrow_heads();
  for (const std::string recompute : {"false", "true"}) {
    const auto run = [&](const std::string& device) {
      return backward(config(device, model, "steps: 1, recompute: " + recompute, "", "precision: f32\n"));
    };
    const Backward there = run("cuda"), here = run("cpu");
    EXPECT_NEAR(there.loss, here.loss, tolerance_of(DType::f32, Compared::model) * here.loss);
    for (const PackedParameter& p : here.block.parameters) {
      // Softmax knows no sum that all of a query's scores share: these gradients are nothing but rounding.
      if (p.name.ends_with("k_proj.bias") || p.name.ends_with("key.bias") ||
          p.name.ends_with("key_global.bias"))
        continue;
      EXPECT_CLOSE(there.block.gradient(p), here.block.gradient(p),
                   2 * tolerance_of(DType::f32, Compared::model))
          << p.name << " recompute " << recompute;
    }
  }
}

// On tensor cores. With recomputation a layer's gradients of the source are added up in another order.
TEST_P(DeviceSeq2Seq, Bf16StaysCloseAndHasItsBitsAgain) {
  const std::string model = wide_heads();
  const RunConfig there = config("cuda", model, "steps: 1"),
                  again = config("cuda", model, "steps: 1, recompute: true");
  ASSERT_EQ(compute_dtype(there), DType::bf16);
  const Backward kept = backward(there), twice = backward(there), recomputed = backward(again),
                 here = backward(config("cpu", model, "steps: 1"));
  EXPECT_NEAR(kept.loss, here.loss, tolerance_of(DType::bf16, Compared::model) * here.loss);
  EXPECT_EQ(recomputed.loss, kept.loss);
  EXPECT_SAME_BITS(twice.block.gradients.to(Device::cpu), kept.block.gradients.to(Device::cpu));
  EXPECT_CLOSE(recomputed.block.gradients, kept.block.gradients, tolerance_of(DType::bf16, Compared::model));
  EXPECT_CLOSE(kept.block.gradients, here.block.gradients, 3 * tolerance_of(DType::bf16, Compared::model));
  expect_same(losses(config("cuda", model, "steps: 2"), "bf16"),
              losses(config("cpu", model, "steps: 2"), "f32"), tolerance_of(DType::bf16, Compared::model));
}

TEST_P(DeviceSeq2Seq, SlowAttentionOfEitherSideIsSaid) {
  const auto said = [&](const std::string& model) {
    const Seq2SeqTask task(config("cuda", model, "steps: 1"), {});
    std::string all;
    for (const std::string& notice : task.notices()) all += notice + "\n";
    return all;
  };
  const auto npos = std::string::npos;
  EXPECT_EQ(said(wide_heads()).find("plain kernels"), npos);
  const json more = {{"d_model", 64}, {"encoder_attention_heads", 2}, {"decoder_attention_heads", 4}};
  const std::string narrow = write_tiny_seq2seq(folder_ / "narrow", GetParam(), 1, more);
  EXPECT_NE(said(narrow).find("plain kernels, which are for checks: heads are 16 wide"), npos);
}

TEST_P(DeviceSeq2Seq, MemoryIsPredicted) {
  const std::string model = wide_heads();
  for (const char* more : {"precision: f32\n", "precision: bf16\n"}) {
    for (const std::string recompute : {"false", "true"}) {
      const RunConfig c = config("cuda", model, "steps: 1, recompute: " + recompute, "", more);
      const Stage stage = resolved_stages(c).front();
      const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 1, .step = 0};
      const auto peak = [&](Device device) {
        const int64_t before = memory_use(device).live;
        reset_peak_memory(device);
        Seq2SeqTask task(c, {});
        Optimizer optimizer(task.parameters(), c.optimizer);
        const auto batch = task.read(stage, {0, 4});
        forward_backward(task, *batch, stage, 1 / batch->about.weight, pass);
        return static_cast<double>(memory_use(device).peak - before);
      };
      const double measured = peak(Device::cuda);
      const Plan plan(Device::cuda);
      const double predicted = peak(Device::plan);
      EXPECT_NEAR(predicted / measured, 1, 0.05)
          << more << "recompute " << recompute << ": " << predicted << " " << measured;
    }
  }
}

// A run that has learned to write, scored where it did not train.
TEST_P(DeviceSeq2Seq, WrittenSummariesAreScoredAsOnTheCpu) {
  const std::string scored = ", metric: rougeL, num_beams: 2, no_repeat_ngram_size: 0, dropout: 0";
  const RunConfig c = config("cpu", narrow_heads(), "steps: 20", scored);
  ASSERT_EQ(Trainer(c, folder_ / "run", false).run(), RunEnd::finished);
  const auto metrics = [&](const std::string& device) {
    const OpenedModel run = open_model(folder_ / "run", {.overrides = {"device=" + device, "precision=f32"}});
    EXPECT_EQ(run.task->parameters().values.device(), device == "cuda" ? Device::cuda : Device::cpu);
    return run.task->evaluate(Split::validation, Effort::report, run.stage, RankGrid(), {});
  };
  const Evaluation there = metrics("cuda"), here = metrics("cpu");
  ASSERT_EQ(there.metrics.size(), here.metrics.size());
  ASSERT_EQ(here.deciding().name, "rougeL");
  EXPECT_GT(here.metrics[0].value, 0);  // the loss; that texts are equal is tested below
  for (size_t i = 0; i < here.metrics.size(); ++i)
    EXPECT_NEAR(there.metrics[i].value, here.metrics[i].value, 1e-4 * here.metrics[i].value)
        << here.metrics[i].name;
}

// Validation in the middle of a run on the device.
TEST_P(DeviceSeq2Seq, ARunIsValidatedByWrittenSummaries) {
  RunConfig c = config("cuda", narrow_heads(), "steps: 2",
                       ", metric: rouge1, num_beams: 3, scored_texts: 2, min_length: 4");
  c.validation.every_steps = 1;
  ASSERT_EQ(Trainer(c, folder_ / "run", false).run(), RunEnd::finished);
  int64_t validations = 0;
  for (const LogRecord& record : read_run_log(folder_ / "run/log.jsonl")) {
    if (record.fields.at("event") != "validation") continue;
    ++validations;
    EXPECT_GE(log_number(record.fields.at("rouge1")), 0);
    EXPECT_EQ(record.fields.at("protocol").at("texts"), 2);
  }
  EXPECT_EQ(validations, 2);
}

// A model folder on the device, and all ways to write; texts begin and end at different times.
TEST_P(DeviceSeq2Seq, TextsAreThoseOfTheCpu) {
  const std::string model = narrow_heads();
  const auto written = [&](const std::string& device, const std::string& settings) {
    const OpenedModel opened = open_model(model, {.overrides = {"device=" + device}});
    EXPECT_EQ(opened.task->parameters().values.device(), device == "cuda" ? Device::cuda : Device::cpu);
    std::vector<Record> records(4);
    for (size_t n = 0; n < records.size(); ++n) {
      Record& record = records[n];
      record.id = record.where = std::to_string(n);
      record.rows = 1, record.length = static_cast<int64_t>(4 + 11 * n);
      for (int32_t i = 0; i < record.length; ++i)
        record.ids.push_back(5 + (i * i * 31 + static_cast<int32_t>(n) * 57) % 300);
    }
    std::vector<std::string> lines;
    LineSink sink([&](const ordered_json& record) {
      lines.push_back(record.at("id").dump() + record.at("output_ids").dump());
    });
    opened.task->write(records, {.settings = settings, .settings_source = "test", .rows = 6}, opened.stage,
                       sink);
    return lines;
  };
  std::vector<std::vector<std::string>> all;
  for (const char* settings :
       {R"({"max_new_tokens": 9})",
        R"({"max_new_tokens": 9, "num_beams": 3, "num_return_sequences": 2, "no_repeat_ngram_size": 2})",
        R"({"max_new_tokens": 9, "do_sample": true, "num_return_sequences": 3, "temperature": 1.5})",
        R"({"max_new_tokens": 9, "do_sample": true, "top_k": 5, "top_p": 0.9, "seed": 4})"}) {
    all.push_back(written("cpu", settings));
    ASSERT_EQ(all.back().size(), 4u);
    EXPECT_EQ(written("cuda", settings), all.back()) << settings;
  }
  for (size_t n = 1; n < all.size(); ++n) EXPECT_NE(all[n], all[n - 1]) << "settings make no difference";
  EXPECT_ERROR_TEXT(open_model(model, {.overrides = {"seed=3"}}), "--set can change its device alone");
  EXPECT_ERROR_TEXT(open_model(model, {.overrides = {"device=gpu"}}), "device is gpu; needed cpu or cuda");
}

INSTANTIATE_TEST_SUITE_P(Models, DeviceSeq2Seq, ::testing::Values("bart", "led"));

}  // namespace
}  // namespace lf
