// Whether two runs ended alike: what every interrupted and resumed run must do.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/files.h"
#include "tests/testing.h"
#include "trainers/run/checkpoint.h"

namespace lf {

// The log and every tensor of the newest checkpoint, of step `step`, equal those of the run folder `whole`.
inline void expect_same_end(const std::string& run, const std::string& whole, int64_t step) {
  EXPECT_EQ(read_file(run + "/log.jsonl"), read_file(whole + "/log.jsonl"));
  std::vector<std::string> warnings;
  const LoadedCheckpoint expected = load_checkpoint(whole, warnings);
  const LoadedCheckpoint found = load_checkpoint(run, warnings);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  EXPECT_EQ(found.step, step);
  EXPECT_EQ(found.step, expected.step);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    for (const std::string& tensor : expected.file(file).names()) {
      EXPECT_TRUE(same_bits(found.read(file, tensor), expected.read(file, tensor))) << file << ' ' << tensor;
    }
  }
}

}  // namespace lf
