// Times window attention, forward and backward, by the implementations of the paper's Figure 1.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "layers/composed_attention.h"

namespace lf {

struct AttentionBenchmark {
  std::vector<AttentionImplementation> implementations{AttentionImplementation::fused};
  std::vector<int64_t> lengths{1024, 2048, 4096};
  std::vector<int64_t> windows{256};  // keys on each side (before self only, where causal)
  bool causal = false;
  bool relative = false;  // with Transformer-XL's relative term
  int64_t heads = 8, head_width = 64, batch = 1, dilation = 1;
  int64_t global_tokens = 0;  // at the start of every sequence; only `fused`
  double dropout = 0;         // of the probabilities
  DType dtype = DType::f32;
  Device device = Device::cpu;
  int64_t repeats = 3;
  double most_seconds = INFINITY;  // an implementation stops at the first length that takes longer
  int64_t most_bytes = INT64_MAX;  // or is predicted to need more memory
};

// A list of {implementation, length, window, dtype, forward_ms, backward_ms, forward_tflops, backward_tflops,
// peak_bytes}: the best of `repeats` runs. peak_bytes counts all tensors: inputs, outputs, what is kept
// between the passes, gradients. Operations are counted as 4 T W K a head forward (6 with relative
// positions), W keys in the window, and 2.5 times that backward, whatever is really computed. `done` is told
// each row.
nlohmann::ordered_json run_attention_benchmark(
    const AttentionBenchmark& settings, const std::function<void(const nlohmann::ordered_json&)>& done);

}  // namespace lf
