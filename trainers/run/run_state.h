// Every counter of a run: what a checkpoint stores beside the tensors, and all that decides what happens
// next.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

namespace lf {

struct RunState {
  int64_t stage = 0;       // index of the current stage
  int64_t stage_step = 0;  // updates done in it
  int64_t step = 0;        // updates done in the run
  int64_t micro_step = 0;  // micro-batches done in the run, over all ranks: keys dropout
  int64_t tokens = 0;      // trained on in the run
  int64_t stage_tokens = 0;
  double stage_seconds = 0;  // spent training in the stage: `minutes` counts it

  // Since the last logged step: the logged loss is their mean.
  double interval_loss = 0;
  double interval_weight = 0;

  // The best value so far of the metric that decides, in the whole run and in the stage; nothing before the
  // first validation.
  std::optional<double> best_validation, stage_best;
  int64_t evaluations_without_improvement = 0;  // in the stage
  bool validation_due = false;                  // of this step, because its score has not ended yet

  std::vector<int64_t> skipped;  // steps whose update was not applied, because it was not finite
  int64_t rollbacks = 0;

  // Lengths of the logs at this point: a resumed run cuts them back to here.
  int64_t log_bytes = 0, timing_bytes = 0;
};

nlohmann::ordered_json to_json(const RunState& state);
// Throws Error naming the missing or mistyped counter.
RunState run_state_from_json(const nlohmann::ordered_json& json);

}  // namespace lf
