#include "trainers/measure/machine_rates.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "autograd/ops.h"

namespace lf {
namespace {

double seconds_of(Device device, const std::function<void()>& work) {
  double best = INFINITY;
  for (int repeat = 0; repeat < 4; ++repeat) {  // the first also warms up
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    work();
    synchronize(device);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

MachineRates measure_rates(DType compute, Device device) {
  const NoGrad no_grad;
  constexpr int64_t kWidth = 512, kHeads = 8;
  // A GPU's rate shows only where starting the work takes less time than doing it, and its tiles are filled.
  const bool large = device == Device::cuda;
  const int64_t tokens = large ? 32768 : 1024, window = large ? 512 : 64;
  const Tensor x = Tensor::full({tokens, kWidth}, compute, 0.5, device),
               w = Tensor::full({4 * kWidth, kWidth}, compute, 0.5, device);
  MachineRates rates;
  rates.product_flops =
      2.0 * static_cast<double>(tokens) * kWidth * 4 * kWidth / seconds_of(device, [&] { linear(x, w); });
  const Tensor qkv = Tensor::full({1, tokens, 3, kHeads, kWidth / kHeads}, compute, 0.1, device);
  const AttentionPattern pattern{
      .left = window, .right = 0, .dilation = {}, .key_mask = {}, .global_tokens = nullptr, .dropout = {}};
  rates.attention_flops = 4.0 * static_cast<double>(tokens) * static_cast<double>(window + 1) * kWidth /
                          seconds_of(device, [&] { window_attention(qkv, pattern); });
  return rates;
}

double training_flops(const Work& work, bool trains_weights) {
  return (trains_weights ? 3 : 2) * work.products + 3.5 * work.attention;
}

double seconds_for(const Work& work, double factor_products, double factor_attention,
                   const MachineRates& rates) {
  // Norms, activations and the update pass over memory once or twice: a tenth more, as profiles of training
  // show.
  constexpr double kEverythingElse = 1.1;
  return kEverythingElse * (factor_products * work.products / rates.product_flops +
                            factor_attention * work.attention / rates.attention_flops);
}

int64_t disk_bytes(const RunConfig& config, const Stage& stage, int64_t parameters) {
  const double kept =
      static_cast<double>(config.checkpoint.keep_last) + (config.checkpoint.keep_best ? 1 : 0) + 1;
  const auto lines = static_cast<double>(planned_steps(stage)) / static_cast<double>(config.log.every_steps);
  // A checkpoint has the values and both moments; a logged step has a line in two logs and an event.
  return static_cast<int64_t>(12 * static_cast<double>(parameters) * kept + 500 * lines);
}

}  // namespace lf
