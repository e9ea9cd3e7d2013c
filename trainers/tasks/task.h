// What the training loop asks of a task. A task is one file in trainers/tasks/: its data, its model, its loss
// and its metric; the loop knows none of them by name.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/communicator/communicator.h"
#include "layers/module.h"
#include "trainers/config/run_config.h"
#include "trainers/config/stages.h"

namespace lf {

// A summed loss and over how many targets: the mean is nats per target.
struct Score {
  double nats = 0;
  int64_t targets = 0;
  // Of these, newline characters: a corpus that keeps them can also be scored as one that does not.
  double newline_nats = 0;
  int64_t newline_targets = 0;
  double characters_per_target = 1;

  double mean() const { return nats / static_cast<double>(targets); }
  double bits() const;  // per target: mean() / ln 2
  double bits_per_character() const { return bits() / characters_per_target; }
  double bits_without_newlines() const;
};

enum class Split { train, validation, test };
const char* name(Split split);

// How a split is scored: overlapping sequences that each score their last `step` targets.
struct Protocol {
  int64_t sequence_length = 0, step = 0, batch_size = 1;
  int64_t tokens = 0;  // only so many from the split's start; 0: all
};

// How a stage's validation and the reported test figure are scored.
Protocol validation_protocol(const RunConfig& config, const Stage& stage);
Protocol test_protocol(const RunConfig& config);

// How much the micro-batches of an update hold: tokens, and of these the targets of the loss.
struct Fetched {
  int64_t targets = 0, tokens = 0;
};

class Task {
 public:
  virtual ~Task() = default;

  virtual ParameterBlock& parameters() = 0;
  // Names the content of the data: other data, another hash.
  virtual std::string data_hash() const = 0;
  // Names what the token ids of the data stand for; "" where the model itself decides it.
  virtual std::string vocabulary_hash() const { return ""; }
  // Names what the model is made from beside the run itself, such as a pretrained model's config.json; "" for
  // nothing.
  virtual std::string model_hash() const { return ""; }
  // Throws an Error when the data are too short for the stage's sequences.
  virtual void check_stage(const Stage& stage) const = 0;
  // From here on evaluate with this stage's patterns.
  virtual void use_stage(const Stage& stage) = 0;
  // From here on train with this stage's lengths and patterns, starting at its example number
  // `first_example`.
  virtual void begin_stage(const Stage& stage, int64_t stage_index, int64_t first_example) = 0;
  // Reads this rank's micro-batches of the next update.
  virtual Fetched fetch() = 0;
  virtual int64_t micro_batches() const = 0;
  // Adds factor times the gradient of micro-batch i's summed loss to the parameters' gradients. `step` counts
  // micro-batches over the whole run and keys dropout. Returns the summed loss in nats, (), which a device
  // may still be computing.
  virtual Tensor forward_backward(int64_t i, double factor, uint64_t step) = 0;
  // Operations of one of the stage's updates, over all ranks: what the model needs, not what it costs here.
  virtual double update_flops(const Stage& stage) const = 0;
  // "examples 12, 13, 14" of micro-batch i, for reports.
  virtual std::string describe(int64_t i) const = 0;
  // Scores a split with the current stage's patterns; every target once. `progress(done, total)`, called
  // after each batch, may be empty; what it throws ends the score.
  virtual Score evaluate(Split split, const Protocol& protocol,
                         const std::function<void(int64_t, int64_t)>& progress) = 0;
  // Seconds spent waiting for data so far.
  virtual double data_wait_seconds() const = 0;
  // What a target is, in reports: losses are logged as bits per character, or per token.
  virtual const char* unit() const { return "character"; }
  // What makes a run as configured slower than it could be, each said once when it starts.
  virtual std::vector<std::string> notices() const { return {}; }
  // The last change to the parameters, after the last stage's updates and before its scores.
  virtual void finish() {}
};

}  // namespace lf
