// Where predictions go: tensors of names and shapes that are known beforehand, or a line for each record.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"

namespace lf {

// What is asked of a model.
struct PredictionRequest {
  std::string what;  // "hidden", "logits", ...; "" for what the task is for
  int64_t top = 5;   // candidates, where there are many
  // Tokens of a text that the model was trained to read; 0: as many as it has positions for.
  int64_t longest = 0;
};

// Takes what a task answers, in the records' order.
class PredictionSink {
 public:
  virtual ~PredictionSink() = default;

  // Announces all tensors, before the first; then each in its order, in CPU memory.
  virtual void begin_tensors(const std::vector<TensorSpec>& specs) = 0;
  virtual void tensor(const Tensor& values) = 0;
  // The next entries along the first axis of the next tensor, which is complete with its last.
  virtual void part(const Tensor& values) = 0;
  // A record's answer.
  virtual void line(const nlohmann::ordered_json& answer) = 0;
  // Something that people should know.
  virtual void note(const std::string& message) = 0;
};

}  // namespace lf
