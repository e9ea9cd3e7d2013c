// What a character model's stage will need, before it runs: memory from the tensors that the tape keeps, time
// from the operations and rates measured on this machine, disk from the checkpoints that are kept.
#pragma once

#include "layers/char_lm.h"
#include "trainers/measure/machine_rates.h"

namespace lf {

struct CorpusCounts {
  int64_t validation = 0, test = 0;  // tokens
};

StageEstimate estimate_stage(const RunConfig& config, const CharLMShape& shape, const Stage& stage,
                             const CorpusCounts& corpus, const MachineRates& rates);

// Operations of one update: every token through every matrix, and the band of every layer's attention.
double update_flops(const CharLMShape& shape, const CharLMPattern& pattern, const Stage& stage);

}  // namespace lf
