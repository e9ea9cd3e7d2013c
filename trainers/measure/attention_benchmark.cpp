#include "trainers/measure/attention_benchmark.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/choices.h"
#include "core/storage.h"
#include "trainers/measure/device_benchmark.h"
#include "trainers/measure/random_tensor.h"

namespace lf {
namespace {

std::shared_ptr<GlobalTokens> global_tokens(const AttentionBenchmark& s, int64_t length) {
  if (s.global_tokens == 0) return nullptr;
  auto tokens = std::make_shared<GlobalTokens>();
  for (int64_t b = 0; b < s.batch; ++b) {
    tokens->offsets.push_back(std::ssize(tokens->positions));
    for (int64_t i = 0; i < std::min(s.global_tokens, length); ++i) tokens->positions.push_back(i);
  }
  tokens->offsets.push_back(std::ssize(tokens->positions));
  return tokens;
}

double forward_operations(const AttentionBenchmark& s, int64_t length, int64_t window) {
  const auto keys = static_cast<double>(s.causal ? window + 1 : 2 * window + 1);
  return (s.relative ? 6.0 : 4.0) * static_cast<double>(s.batch * s.heads * s.head_width * length) * keys;
}

// All T x T scores, their probabilities and gradients: what `full` holds at its peak.
double full_bytes(const AttentionBenchmark& s, int64_t length) {
  const auto scores =
      static_cast<double>(s.batch * s.heads) * static_cast<double>(length) * static_cast<double>(length);
  return 4.0 * scores * static_cast<double>(size_of(s.dtype));
}

nlohmann::ordered_json measure(const AttentionBenchmark& s, AttentionImplementation implementation,
                               int64_t length, int64_t window) {
  const AttentionPattern pattern{
      .left = window,
      .right = s.causal ? 0 : window,
      .dilation = std::vector<int32_t>(static_cast<size_t>(s.heads), static_cast<int32_t>(s.dilation)),
      .global_tokens = global_tokens(s, length),
      .dropout = {s.dropout, {.seed = 1, .use = 1, .step = 1}}};
  const int64_t reach = std::min(window * s.dilation, length - 1), ahead = s.causal ? 0 : reach;
  const Var qkv = Var::leaf(random_tensor({s.batch, length, 3, s.heads, s.head_width}, s.dtype, 1, s.device));
  const DType parameter = s.dtype == DType::f64 ? DType::f64 : DType::f32;
  const auto leaf = [&](const Shape& shape, DType dtype, uint64_t stream) {
    return Var::leaf(random_tensor(shape, dtype, stream, s.device));
  };
  const RelativeTerm term{leaf({s.heads, s.head_width}, parameter, 2),
                          leaf({s.heads, s.head_width}, parameter, 3),
                          leaf({reach + ahead + 1, s.heads, s.head_width}, s.dtype, 4), ahead};
  const RelativeTerm* relative = s.relative ? &term : nullptr;
  const Tensor cotangent = random_tensor({s.batch, length, s.heads, s.head_width}, s.dtype, 5, s.device);
  double forward = INFINITY, backward = INFINITY;
  reset_peak_memory(s.device);
  const auto attend = [&] {
    return implementation == AttentionImplementation::fused
               ? window_attention(qkv, pattern, relative)
               : composed_attention(implementation, qkv, pattern, relative);
  };
  const auto differentiate = [&](const Var& y) {
    tape().backward(y, cotangent);
    for (const Var* v : {&qkv, &term.u, &term.v, &term.r}) v->gradient()->sum = {};
  };
  for (int64_t repeat = 0; repeat < s.repeats; ++repeat) {
    if (s.device == Device::cpu) {
      Var y;
      forward = std::min(forward, milliseconds_of_run(s.device, [&] { y = attend(); }));
      backward = std::min(backward, milliseconds_of_run(s.device, [&] { differentiate(y); }));
      continue;
    }
    // Ten runs one after the other must not keep ten outputs.
    forward = std::min(forward, milliseconds_of_run(s.device, [&] {
                         const NoGrad no_grad;
                         attend();
                       }));
    backward = std::min(backward, milliseconds_of_run(s.device, [&] { differentiate(attend()); }) - forward);
  }
  const double operations = forward_operations(s, length, window) / 1e9;  // TFLOP/s of a millisecond
  return {{"implementation", choice_name(implementation)},
          {"length", length},
          {"window", window},
          {"dtype", lf::name(s.dtype)},
          {"forward_ms", forward},
          {"backward_ms", backward},
          {"forward_tflops", operations / forward},
          {"backward_tflops", 2.5 * operations / backward},
          {"peak_bytes", memory_use(s.device).peak}};
}

}  // namespace

nlohmann::ordered_json run_attention_benchmark(
    const AttentionBenchmark& settings, const std::function<void(const nlohmann::ordered_json&)>& done) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const AttentionImplementation implementation : settings.implementations) {
    for (const int64_t window : settings.windows) {
      for (const int64_t length : settings.lengths) {
        if (implementation == AttentionImplementation::full &&
            full_bytes(settings, length) > static_cast<double>(settings.most_bytes))
          break;
        release_cached_memory(settings.device);
        rows.push_back(measure(settings, implementation, length, window));
        done(rows.back());
        const double seconds =
            (rows.back()["forward_ms"].get<double>() + rows.back()["backward_ms"].get<double>()) / 1000;
        if (seconds > settings.most_seconds) break;
      }
    }
  }
  return rows;
}

}  // namespace lf
