// What is asked of a model that writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lf {

// Settings as a user gives them, over the model's own; what a task's texts cannot follow is a UsageError.
struct WritingRequest {
  std::string settings, settings_source;  // a JSON object of generation settings, and what it is called
  std::optional<int64_t> length;          // new tokens at most
  std::optional<int64_t> top_k, num_beams;
  std::optional<double> temperature, top_p;
  std::optional<uint64_t> seed;
  bool greedy = false, sample = false;
  int64_t rows = 32;  // texts that are written side by side, where a model can
};

}  // namespace lf
