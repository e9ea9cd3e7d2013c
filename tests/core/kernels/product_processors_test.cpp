// Training in bf16 and f32 as on processors that have less than this one: oneDNN is told to make do with it.
#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/places.h"
#include "tests/program.h"
#include "trainers/run/run_log.h"

namespace lf {
namespace {

// The losses of a few updates.
std::vector<double> losses(const Program& program, const std::string& precision,
                           const std::string& processor) {
  const std::string run = program / (precision + processor);
  std::vector<std::string> environment;
  if (!processor.empty()) environment.push_back("ONEDNN_MAX_CPU_ISA=" + processor);
  const ProgramResult result = program.run(
      {"train", program / "config.yaml", "--out", run, "--set", "precision=" + precision}, "", environment);
  EXPECT_EQ(result.code, 0) << processor << ": " << result.err;
  std::vector<double> losses;
  for (const LogRecord& record : read_run_log(run + "/log.jsonl")) {
    if (record.fields.at("event") == "step") losses.push_back(log_number(record.fields.at("loss")));
  }
  return losses;
}

TEST(ProductProcessors, TrainAlike) {
  const Program program;
  program.write("corpus.txt", read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000));
  program.write("config.yaml", "data: {path: " + (program / "corpus.txt") + R"(, kind: bytes}
model: {layers: 2, width: 128, heads: 2, feed_forward: 256, dropout: 0.1}
stages: {list: [{name: a, sequence_length: 96, windows: [8, 16], learning_rate: 0.002, batch_size: 2, steps: 4}]}
validation: {tokens: 200}
evaluation: {sequence_length: 96, step: 48}
log: {every_steps: 1, tensorboard: false}
)");
  for (const std::string precision : {"f32", "bf16"}) {
    const std::vector<double> own = losses(program, precision, "");
    ASSERT_EQ(own.size(), 4u);
    for (const std::string processor : {"SSE41", "AVX2", "AVX512_CORE", "AVX512_CORE_BF16"}) {
      const std::vector<double> other = losses(program, precision, processor);
      ASSERT_EQ(other.size(), own.size());
      for (size_t i = 0; i < own.size(); ++i)
        EXPECT_NEAR(other[i], own[i], precision == "f32" ? 1e-4 : 3e-2) << precision << ' ' << processor;
    }
  }
}

}  // namespace
}  // namespace lf
