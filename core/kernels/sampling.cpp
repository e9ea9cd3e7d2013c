// The choice of the next token from its logits.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/kernels/kernels.h"

namespace lf::kernels {
namespace {

double log_sum_exp(const float* logits, int64_t V) {
  const double largest = *std::max_element(logits, logits + V);
  double sum = 0;
  for (int64_t i = 0; i < V; ++i) sum += std::exp(logits[i] - largest);
  return largest + std::log(sum);
}

int32_t choose(const Sampling& settings, double uniform, const float* logits, int64_t V) {
  const float* best = std::max_element(logits, logits + V);
  if (!settings.do_sample) return static_cast<int32_t>(best - logits);
  std::vector<int32_t> order(static_cast<size_t>(V));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (settings.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(settings.top_k)));
  std::vector<double> weights;
  double total = 0;
  for (const int32_t id : order) {
    weights.push_back(std::exp((static_cast<double>(logits[id]) - *best) / settings.temperature));
    total += weights.back();
  }
  double kept = 0;
  size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < settings.top_p * total)) kept += weights[count++];
  double left = uniform * kept;
  for (size_t i = 0; i < count; ++i) {
    left -= weights[i];
    if (left <= 0) return order[i];
  }
  return order[count - 1];
}

}  // namespace

namespace cpu {

void sample(const Sampling& settings, double uniform, const Tensor& logits, Tensor& id,
            Tensor& log_probability) {
  const float* x = logits.data<float>();
  const int64_t V = logits.elements();
  const int32_t chosen = choose(settings, uniform, x, V);
  *id.data<int32_t>() = chosen;
  *log_probability.data<float>() = static_cast<float>(x[chosen] - log_sum_exp(x, V));
}

}  // namespace cpu

void sample(const Sampling& settings, double uniform, const Tensor& logits, Tensor& id,
            Tensor& log_probability) {
  LF_DISPATCH(logits.device(), sample, settings, uniform, logits, id, log_probability);
}

}  // namespace lf::kernels
