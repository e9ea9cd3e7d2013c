// The stages of a run with everything filled in: one number per layer, limits, doubling rules applied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainers/config/run_config.h"

namespace lf {

// One stage of training, complete.
struct Stage {
  int64_t index = 0;  // in the run
  std::string name;
  int64_t sequence_length = 0;
  std::vector<int64_t> windows;   // per layer, bottom to top: previous tokens seen, in steps of the dilation
  std::vector<int64_t> dilation;  // per layer; 1 is none
  int64_t dilated_heads = 0;      // the last heads of each layer
  double learning_rate = 0;
  int64_t batch_size = 0;          // sequences per update
  int64_t micro_batch = 0;         // sequences per forward pass at most, divides batch_size
  int64_t micro_batch_tokens = 0;  // tokens per forward pass at most; 0 is no such limit
  int64_t steps = 0;               // limits; 0 is no such limit
  int64_t tokens = 0;
  double epochs = 0;
  double minutes = 0;
  int64_t patience = 0;
  bool recompute = false;

  bool operator==(const Stage&) const = default;
};

// The stages that the run goes through, in order. Takes a config from load_run_config.
std::vector<Stage> resolved_stages(const RunConfig& config);

// The first `count` stages, whatever stages.count says; beyond the list they are made by doubling.
std::vector<Stage> expanded_stages(const RunConfig& config, size_t count);

// What the stage's order of examples is drawn with: each stage draws its own.
uint64_t order_seed(const RunConfig& config, const Stage& stage);

// Updates until the stage ends by steps or tokens, whichever is first; 0 when neither limit is given. Epochs
// count once the data are known, see planned_stages().
int64_t planned_steps(const Stage& stage);

// Warm-up updates of the stage: warmup_steps if given, else min(fraction * planned steps, warmup_max).
int64_t warmup_steps(const ScheduleSection& schedule, const Stage& stage);

}  // namespace lf
