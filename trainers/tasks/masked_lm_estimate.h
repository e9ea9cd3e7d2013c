// What a masked language model's stage will need, before it runs; see char_lm_estimate.h.
#pragma once

#include "layers/encoder.h"
#include "trainers/measure/machine_rates.h"

namespace lf {

// validation_tokens, test_tokens: in the corpus.
StageEstimate estimate_stage(const RunConfig& config, const EncoderShape& shape, const Stage& stage,
                             int64_t validation_tokens, int64_t test_tokens, const MachineRates& rates);

// Operations of one update, with as many targets as the configured share of tokens.
double update_flops(const RunConfig& config, const EncoderShape& shape, const Stage& stage);

}  // namespace lf
