// For tests of checkpoints: a run folder whose every tensor and counter follows from the step, so that what
// is loaded can be told from what should have been saved.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"
#include "trainers/run/checkpoint.h"

namespace lf {

// What a run holds after `step` updates: two files, three tensors, 40 KiB.
inline std::vector<TensorFile> tensors_at(int64_t step) {
  Tensor weight = Tensor::empty({50, 100}, DType::f32);
  for (int64_t i = 0; i < weight.elements(); ++i) {
    weight.data<float>()[i] = static_cast<float>(i) * 0.37f + static_cast<float>(step) / 7;
  }
  Tensor bias = Tensor::full({3}, DType::f64, static_cast<double>(step) / 3);
  Tensor moments = Tensor::full({5000}, DType::f32, static_cast<double>(step) * -1.1);
  return {{"model.safetensors", {{"weight", weight}, {"bias", bias}}},
          {"optimizer.safetensors", {{"moments", moments}}}};
}

inline nlohmann::ordered_json state_at(int64_t step) {
  return {{"step", step}, {"loss", 1.0 / (static_cast<double>(step) + 3)}, {"config", "a: b\n"}};
}

inline SavedCheckpoint save_step(const std::string& run_folder, int64_t step,
                                 const Retention& retention = {}) {
  return save_checkpoint(run_folder, step, tensors_at(step), state_at(step), retention);
}

// Checks that every bit is what save_step(run, step) was given.
inline void expect_step(const LoadedCheckpoint& loaded, int64_t step) {
  EXPECT_EQ(loaded.step, step);
  EXPECT_EQ(loaded.state, state_at(step));
  for (const auto& [file, tensors] : tensors_at(step)) {
    for (const auto& [name, tensor] : tensors) {
      const Tensor read = loaded.read(file, name);
      ASSERT_EQ(read.shape(), tensor.shape());
      ASSERT_EQ(read.dtype(), tensor.dtype());
      EXPECT_EQ(std::memcmp(read.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes())), 0) << name;
    }
  }
}

// Loads the run without a warning and checks that it stands at the step.
inline void expect_clean_load(const std::string& run_folder, int64_t step) {
  std::vector<std::string> warnings;
  const LoadedCheckpoint loaded = load_checkpoint(run_folder, warnings);
  EXPECT_EQ(warnings, std::vector<std::string>());
  expect_step(loaded, step);
}

// Names in the folder of the checkpoints; hidden ones, if a save left any, included.
inline std::vector<std::string> saved_names(const std::string& run_folder) {
  return entries(run_folder + "/checkpoints");
}

}  // namespace lf
