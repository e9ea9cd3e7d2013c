// A pretrained masked language model on the device: its updates, global tokens and predictions are the CPU's.
#include <gtest/gtest.h>

#include "core/plan.h"
#include "tests/predicted_alone.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/config/load.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/masked_lm_prediction.h"
#include "trainers/tasks/masked_lm_task.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

struct KeptTensors : PredictionSink {
  std::vector<Tensor> values;

  void begin_tensors(const std::vector<TensorSpec>&) override {}
  void tensor(const Tensor& value) override { values.push_back(value); }
  void part(const Tensor& value) override { values.push_back(value); }
  void line(const nlohmann::ordered_json&) override {}
  void note(const std::string&) override {}
};

class DeviceMaskedLM : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_task(folder_.path(), 20000); }

  RunConfig config(const std::string& device, const std::string& stage, const std::string& more = "") {
    return parse_run_config(
        "task: masked_lm\ndevice: " + device + "\ndata: {path: " + (folder_ / "corpus") +
            "}\nmasked_lm: {model: " + (folder_ / "model") +
            "}\nstages: {list: [{name: a, learning_rate: 0.003, batch_size: 2, sequence_length: 40, " +
            stage + "}]}\nlog: {every_steps: 1, tensorboard: false}\nvalidation: {tokens: 200}\n" + more,
        "test.yaml");
  }
  std::vector<double> losses(const std::string& device) {
    const RunConfig c = config(device, "micro_batch: 1, steps: 3", "precision: f32\n");
    EXPECT_EQ(Trainer(c, folder_ / device, false).run(), RunEnd::finished);
    std::vector<double> result;
    for (const LogRecord& record : read_run_log(folder_ / (device + "/log.jsonl"))) {
      if (record.fields.at("event") == "step") result.push_back(log_number(record.fields.at("loss")));
    }
    return result;
  }

  TemporaryFolder folder_;
};

TEST_F(DeviceMaskedLM, LossesAreTheCpus) {
  const std::vector<double> expected = losses("cpu"), received = losses("cuda");
  ASSERT_EQ(expected.size(), 3u);
  ASSERT_EQ(received.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(received[i], expected[i], tolerance_of(DType::f32, Compared::model) * expected[i]) << i;
}

// A micro-batch may have no target; its loss is nothing, where the others' are.
TEST_F(DeviceMaskedLM, TrainsWhereAMicroBatchHasNoTarget) {
  RunConfig c = config("cuda", "micro_batch: 1, steps: 2");
  c.masked_lm.probability = 0.02;  // of 40 tokens
  EXPECT_EQ(Trainer(c, folder_ / "run", false).run(), RunEnd::finished);
}

TEST_F(DeviceMaskedLM, MemoryIsPredicted) {
  for (const char* more : {"precision: f32\n", "precision: bf16\n"}) {
    const RunConfig c = config("cuda", "micro_batch: 2, steps: 1", more);
    const int64_t before = memory_use(Device::cuda).live;
    reset_peak_memory(Device::cuda);
    MaskedLMTask task(c, {});
    Optimizer optimizer(task.parameters(), c.optimizer);
    const Stage stage = resolved_stages(c).front();
    const auto batch = task.read(stage, {0, stage.micro_batch});
    const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 1, .step = 0};
    forward_backward(task, *batch, stage, 1.0 / batch->about.weight, pass);
    const auto measured = static_cast<double>(memory_use(Device::cuda).peak - before);
    const Plan plan(Device::cuda);
    MaskedLMTask planned(c, {});
    Optimizer planned_optimizer(planned.parameters(), c.optimizer);
    forward_backward(planned, *batch, stage, 1.0 / batch->about.weight, pass);
    const auto predicted = static_cast<double>(memory_use(Device::plan).peak);
    EXPECT_NEAR(predicted / measured, 1, 0.05) << more << predicted << " " << measured;
  }
}

TEST_F(DeviceMaskedLM, PredictsWhatTheCpuPredicts) {
  Record record;
  record.where = "a:1", record.rows = 2, record.length = 20;
  for (int32_t i = 0; i < 40; ++i) record.ids.push_back(i % 7 == 3 ? 4 : 5 + i * 31 % 300);
  record.mask.assign(40, 1);
  for (size_t i = 36; i < 40; ++i) record.mask[i] = 0;
  record.global = {{0, 7}, {2}};
  record.labels.assign(40, -1);
  record.labels[3] = 17, record.labels[24] = 200;
  const std::string model = folder_ / "model";
  const OpenedModel opened_here = open_model(model, {.needs_data = false}),
                    opened_there = open_model(model, {.needs_data = false, .device = Device::cuda});
  ASSERT_EQ(opened_there.task->parameters().values.device(), Device::cuda);
  const MaskedLM &here = dynamic_cast<const MaskedLMTask&>(*opened_here.task).model(),
                 &there = dynamic_cast<const MaskedLMTask&>(*opened_there.task).model();
  for (const Prediction what : {Prediction::hidden, Prediction::logits, Prediction::loss})
    EXPECT_CLOSE(predicted_alone(there, record, what), predicted_alone(here, record, what),
                 tolerance_of(DType::f32, Compared::model));
  const auto expected = filled_alone(here, record, 4, 3), received = filled_alone(there, record, 4, 3);
  ASSERT_EQ(received.size(), expected.size());
  ASSERT_FALSE(received.empty());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(received[i].ids, expected[i].ids);
  KeptTensors attention_here, attention_there;
  opened_here.task->predict({record}, {.what = "attention"}, attention_here);
  opened_there.task->predict({record}, {.what = "attention"}, attention_there);
  ASSERT_EQ(attention_here.values.size(), 4u);  // local and global ones of two layers
  ASSERT_EQ(attention_there.values.size(), 4u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_CLOSE(attention_there.values[i], attention_here.values[i],
                 tolerance_of(DType::f32, Compared::model));
}

}  // namespace
}  // namespace lf
