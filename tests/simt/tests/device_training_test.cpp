// A whole tiny CharLM trained through the device's code (allocator, launches, products, attention, trainer,
// checkpoints) on the host executor: its losses are the CPU's, and its runs resume and change devices.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "autograd/ops.h"
#include "core/device_memory.h"
#include "core/failpoint.h"
#include "core/storage.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/config/load.h"
#include "trainers/generation/sampling.h"
#include "trainers/run/opened_model.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/char_lm_task.h"
#include "trainers/trainer.h"

#ifdef LF_SIMULATED_CUDA
#include "tests/simt/device_memory.h"
#endif

namespace lf {
namespace {

class DeviceTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 4000);
  }

  RunConfig config(const std::string& more, const std::string& stage = "steps: 4") {
    return parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\n"
            "model: {layers: 2, width: 32, heads: 2, feed_forward: 32, dropout: 0.1}\n"
            "schedule: {warmup_steps: 2}\n"
            "stages: {list: [{name: a, sequence_length: 48, windows: [4, 8], dilation: [1, 2], "
            "dilated_heads: 1, learning_rate: 0.003, batch_size: 2, micro_batch: 1, " +
            stage +
            "}]}\n"
            "validation: {tokens: 96}\n"
            "evaluation: {sequence_length: 64, step: 32, after_each_stage: false}\n"
            "log: {every_steps: 1, tensorboard: false}\n" +
            more,
        "test.yaml");
  }
  void train(const RunConfig& c, const std::string& name, bool resume = false) {
    EXPECT_EQ(Trainer(c, folder_ / name, resume).run(), RunEnd::finished);
  }
  std::vector<double> losses(const std::string& run) {
    std::vector<double> result;
    for (const LogRecord& record : read_run_log(folder_ / (run + "/log.jsonl"))) {
      if (record.fields.at("event") == "step") result.push_back(log_number(record.fields.at("loss")));
    }
    return result;
  }
  void expect_same_losses(const std::string& a, const std::string& b, double tolerance) {
    const std::vector<double> left = losses(a), right = losses(b);
    ASSERT_EQ(left.size(), right.size());
    for (size_t i = 0; i < left.size(); ++i) EXPECT_NEAR(left[i], right[i], tolerance * right[i]) << i;
  }

  TemporaryFolder folder_;
};

TEST_F(DeviceTraining, LossesAreTheCpus) {
  train(config("device: cpu\n"), "cpu");
  train(config("device: cuda\nprecision: f32\n"), "cuda");
  expect_same_losses("cuda", "cpu", tolerance_of(DType::f32, Compared::model));
}

TEST_F(DeviceTraining, Bf16WithRecomputationStaysClose) {
  train(config("device: cpu\n"), "cpu");
  train(config("device: cuda\nprecision: bf16\n", "steps: 4, recompute: true"), "cuda");
  expect_same_losses("cuda", "cpu", tolerance_of(DType::bf16, Compared::model));
}

TEST_F(DeviceTraining, ResumesToTheSameBits) {
  const std::string every = "device: cuda\ncheckpoint: {every_steps: 2}\n";
  train(config(every), "whole");
  ::setenv("LF_FAILPOINT", "trainer.loss:4=enospc", 1);
  read_failpoint_environment();
  EXPECT_THROW(Trainer(config(every), folder_ / "run", false).run(), Error);
  ::unsetenv("LF_FAILPOINT");
  read_failpoint_environment();
  train(config(every), "run", true);
  EXPECT_EQ(read_file(folder_ / "run/log.jsonl"), read_file(folder_ / "whole/log.jsonl"));
  const std::string model = "/checkpoints/step-000000004/model.safetensors";
  EXPECT_EQ(read_file(folder_ / "run" + model), read_file(folder_ / "whole" + model));
}

TEST_F(DeviceTraining, RunsChangeDevices) {
  train(config("device: cpu\n"), "cpu");
  const std::string every = "checkpoint: {every_steps: 2}\n";
  ::setenv("LF_FAILPOINT", "trainer.loss:3=enospc", 1);
  read_failpoint_environment();
  EXPECT_THROW(Trainer(config("device: cpu\n" + every), folder_ / "run", false).run(), Error);
  ::unsetenv("LF_FAILPOINT");
  read_failpoint_environment();
  train(config("device: cuda\n" + every), "run", true);
  EXPECT_EQ(device_of(run_folder_config(folder_ / "run")), Device::cuda);  // where it is opened from now on
  expect_same_losses("run", "cpu", tolerance_of(DType::f32, Compared::model));
}

// Where the configuration does not say it, a GPU computes in bf16 and the CPU in f32; a run keeps what it
// has.
TEST_F(DeviceTraining, PrecisionIsTheDevicesAndThenTheRuns) {
  train(config("device: cuda\n"), "auto");
  train(config("device: cuda\nprecision: bf16\n"), "bf16");
  EXPECT_EQ(read_file(folder_ / "auto/log.jsonl"), read_file(folder_ / "bf16/log.jsonl"));
  EXPECT_EQ(run_folder_config(folder_ / "auto").precision, PrecisionChoice::bf16);
  EXPECT_EQ(compute_dtype(config("device: cpu\n")), DType::f32);
  // A run of a time when cuda meant f32, and one that goes on on the other device.
  train(config("device: cuda\nprecision: f32\n"), "f32");
  train(config("device: cuda\n"), "f32", true);
  EXPECT_EQ(run_folder_config(folder_ / "f32").precision, PrecisionChoice::f32);
  train(config("device: cpu\n"), "auto", true);
  EXPECT_EQ(run_folder_config(folder_ / "auto").precision, PrecisionChoice::bf16);
  EXPECT_ERROR_TEXT(train(config("device: cuda\nprecision: f32\n"), "bf16", true), "precision: bf16 -> f32");
}

TEST_F(DeviceTraining, SlowAttentionIsSaid) {
  const auto said = [&](const std::string& more) {
    ::testing::internal::CaptureStderr();
    std::filesystem::remove_all(folder_ / "said");
    train(config(more), "said");
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string slow = "attention runs on the slow plain kernels, which are for checks: ";
  const auto npos = std::string::npos;
  EXPECT_NE(said("device: cuda\nprecision: f32\n").find(slow + "it computes in f32"), npos);
  EXPECT_NE(said("device: cuda\n").find(slow + "heads are 16 wide"), npos);
  EXPECT_EQ(said("device: cpu\n").find(slow), npos);
}

// The device is waited for where a step's losses and norm are read, and nowhere else.
TEST_F(DeviceTraining, AStepWaitsOnce) {
  const auto waits_of = [&](const std::string& name, const std::string& steps) {
    const int64_t before = cuda::waits();
    train(config("device: cuda\nprecision: bf16\n", steps), name);
    return cuda::waits() - before;
  };
  EXPECT_EQ(waits_of("nine", "steps: 9, recompute: true") - waits_of("four", "steps: 4, recompute: true"), 5);
}

#ifdef LF_SIMULATED_CUDA  // its memory can be made small

TEST_F(DeviceTraining, MemoryThatDoesNotSufficeIsExplained) {
  const Tensor one = Tensor::full({1, 1}, DType::f32, 1, Device::cuda);
  linear(one, one);  // the library's workspace is there from now on
  release_cached_memory(Device::cuda);
  simt::limit_device_memory(simt::used_device_memory() + 256 * 1024);
  const std::string error =
      error_of([&] { Trainer(config("device: cuda\nprecision: f32\n"), folder_ / "run", false).run(); });
  simt::limit_device_memory(0);
  release_cached_memory(Device::cuda);
  EXPECT_NE(error.find("cuda: out of memory allocating ("), std::string::npos) << error;
  EXPECT_NE(error.find("of the device's 32.3 MiB"), std::string::npos) << error;
}

#endif

TEST_F(DeviceTraining, ItsRunWritesTheSameTextOnEitherDevice) {
  train(config("device: cuda\n"), "run");
  const auto written = [&](const std::string& device) {
    const OpenedModel run = open_model(folder_ / "run", {.overrides = {"device=" + device}});
    EXPECT_EQ(device_of(run.config), device == "cuda" ? Device::cuda : Device::cpu);
    return generate(*run.task->text_model(run.stage)->decoder(), {1, 2, 3}, {.max_new_tokens = 12}).ids;
  };
  EXPECT_EQ(written("cuda"), written("cpu"));
}

}  // namespace
}  // namespace lf
