// What a plan of a device counts, against what an update there takes: kernels have other memory of their own
// than on the CPU.
#include <gtest/gtest.h>

#include <fstream>

#include "core/files.h"
#include "core/plan.h"
#include "core/storage.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "trainers/config/load.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"

namespace lf {
namespace {

class DeviceEstimate : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 50000);
  }

  void expect_memory(const std::string& model, const std::string& stage, const std::string& more = "") {
    const RunConfig c = parse_run_config("data: {path: " + (folder_ / "corpus.txt") +
                                             "}\n"
                                             "model: {dropout: 0.1, " +
                                             model +
                                             "}\n"
                                             "stages: {list: [{name: a, learning_rate: 0.001, steps: 1, " +
                                             stage +
                                             "}]}\n"
                                             "validation: {tokens: 128}\n"
                                             "evaluation: {sequence_length: 64, step: 64, batch_size: 1}\n"
                                             "device: cuda\n" +
                                             more,
                                         "test.yaml");
    const auto measured = static_cast<double>(peak_bytes(c, Device::cuda));
    const Plan plan(Device::cuda);
    const auto predicted = static_cast<double>(peak_bytes(c, Device::plan));
    EXPECT_NEAR(predicted / measured, 1, 0.05) << model << "; " << stage;
  }

  // The peak of all of the device's tensors in one update.
  int64_t peak_bytes(const RunConfig& c, Device device) {
    const int64_t before = memory_use(device).live;
    reset_peak_memory(device);
    const auto task = make_task(c);
    Optimizer optimizer(task->parameters(), c.optimizer);
    const Stage stage = resolved_stages(c).front();
    const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 1, .step = 1};
    for (const ExampleRange& range : micro_batches_of(*task, stage, 0))
      forward_backward(*task, *task->read(stage, range), stage, 1, pass);
    return memory_use(device).peak - before;
  }

  TemporaryFolder folder_;
};

constexpr const char* kNarrow = "sequence_length: 220, windows: 32, batch_size: 2, micro_batch: 2";

TEST_F(DeviceEstimate, MemoryOfAnUpdate) {
  expect_memory("layers: 2, width: 64, heads: 2, feed_forward: 256", kNarrow, "precision: f32\n");
}
TEST_F(DeviceEstimate, MemoryInBf16) {
  expect_memory("layers: 2, width: 64, heads: 2, feed_forward: 256", kNarrow, "precision: bf16\n");
}
// Where windows are wide, the gradients of distances need a fifth of all memory to be summed in.
TEST_F(DeviceEstimate, MemoryOfWideWindowsInBf16) {
  expect_memory("layers: 2, width: 32, heads: 1, feed_forward: 32",
                "sequence_length: 890, windows: 880, batch_size: 1, micro_batch: 1, recompute: true",
                "precision: bf16\n");
}

}  // namespace
}  // namespace lf
