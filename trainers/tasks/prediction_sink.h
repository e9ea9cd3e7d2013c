// Where predictions go: tensors of names and shapes that are known beforehand, or a line for each record.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/weights/safetensors.h"

namespace lf {

// What is asked of a model.
struct PredictionRequest {
  std::string what;  // "hidden", "logits", ...; "" for what the task is for
  int64_t top = 5;   // candidates, where there are many
  // Tokens of a text that the model was trained to read; 0: as many as it has positions for.
  int64_t longest = 0;
};

// Takes what a task answers, in the records' order. Ranks may divide the records: a task does so piece by
// piece, where a piece is what is computed at once.
class PredictionSink {
 public:
  virtual ~PredictionSink() = default;

  // Of the next piece, which is about so much work, in tokens: whether it is computed here, not by another
  // rank, when this one leaves it out. Called for every piece in the records' order, on all ranks alike.
  virtual bool is_mine(int64_t) { return true; }
  // What this rank has answered since the last end is all of the next piece that is its own.
  virtual void end_piece() {}

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

// Takes answers that are lines.
class LineSink : public PredictionSink {
 public:
  explicit LineSink(std::function<void(const nlohmann::ordered_json& answer)> take)
      : take_(std::move(take)) {}

  void begin_tensors(const std::vector<TensorSpec>&) override { refuse(); }
  void tensor(const Tensor&) override { refuse(); }
  void part(const Tensor&) override { refuse(); }
  void line(const nlohmann::ordered_json& answer) override { take_(answer); }
  void note(const std::string&) override {}

 private:
  [[noreturn]] static void refuse() { throw Error("these answers are lines, not tensors"); }

  std::function<void(const nlohmann::ordered_json& answer)> take_;
};

}  // namespace lf
