// What predictions of memory, time and disk have in common: the speed of this machine and the size of a run
// folder.
#pragma once

#include "core/device.h"
#include "core/dtype.h"
#include "trainers/config/stages.h"

namespace lf {

// Speed of this machine, measured in a fraction of a second.
struct MachineRates {
  double product_flops = 0;    // per second, in matrix products
  double attention_flops = 0;  // per second, in window attention, forward and backward together
};
MachineRates measure_rates(DType compute, Device device = Device::cpu);

// Operations of forward passes; multiply-adds count two.
struct Work {
  double products = 0, attention = 0;
};

// Operations of training on what the forward passes have as `work`: backward is twice the products, or once
// where weights are not trained, and 2.5 times the attention. A recomputed forward is not counted: it is a
// price of memory, not of the model.
double training_flops(const Work& work, bool trains_weights = true);

// Seconds for so many times the work's products and attention.
double seconds_for(const Work& work, double factor_products, double factor_attention,
                   const MachineRates& rates);

struct StageEstimate {
  int64_t memory_bytes = 0;  // peak of all tensors
  double seconds = 0;      // training and the scores at the stage's end; infinite where only patience ends it
  int64_t disk_bytes = 0;  // the run folder's largest size up to here
};

// The run folder's largest size up to the end of the stage.
int64_t disk_bytes(const RunConfig& config, const Stage& stage, int64_t parameters);

}  // namespace lf
