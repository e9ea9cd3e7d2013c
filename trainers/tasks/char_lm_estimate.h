// What a character model's stage will need, before it runs: memory from the tensors that the tape keeps, time
// from the operations and rates measured on this machine, disk from the checkpoints that are kept.
#pragma once

#include "layers/char_lm.h"
#include "trainers/config/stages.h"

namespace lf {

// Speed of this machine, measured in a fraction of a second.
struct MachineRates {
  double product_flops = 0;    // per second, in matrix products
  double attention_flops = 0;  // per second, in window attention, forward and backward together
};
MachineRates measure_rates(DType compute);

struct StageEstimate {
  int64_t memory_bytes = 0;  // peak of all tensors
  double seconds = 0;      // training and the scores at the stage's end; infinite where only patience ends it
  int64_t disk_bytes = 0;  // the run folder's largest size up to here
};

struct CorpusCounts {
  int64_t validation = 0, test = 0;  // tokens
};

StageEstimate estimate_stage(const RunConfig& config, const CharLMShape& shape, const Stage& stage,
                             const CorpusCounts& corpus, const MachineRates& rates);

}  // namespace lf
