#include "trainers/measure/device_benchmark.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/device_memory.h"
#include "core/kernels/kernels.h"
#include "core/seconds.h"
#include "trainers/measure/random_tensor.h"

namespace lf {
namespace {

double best_of(const DeviceBenchmark& settings, const std::function<void()>& work) {
  double best = INFINITY;
  for (int64_t repeat = 0; repeat <= settings.repeats; ++repeat) {  // the first warms up
    const double milliseconds = milliseconds_of_run(settings.device, work);
    if (repeat > 0) best = std::min(best, milliseconds);
  }
  return best;
}

}  // namespace

double milliseconds_of_run(Device device, const std::function<void()>& work) {
  if constexpr (kHasCuda) {
    constexpr int kRuns = 10;
    if (device == Device::cuda) {
      return cuda::milliseconds_of([&] {
               for (int run = 0; run < kRuns; ++run) work();
             }) /
             kRuns;
    }
  }
  return 1000 * seconds_of(work);
}

nlohmann::ordered_json run_device_benchmark(const DeviceBenchmark& settings) {
  require(settings.device);
  const int64_t bytes = settings.mib << 20, n = settings.size;
  const Tensor from = Tensor::zeros({bytes}, DType::u8, settings.device);
  Tensor to = Tensor::like(from);
  const double copy = best_of(settings, [&] { to.copy_from(from); });
  const Tensor x = random_tensor({n, n}, DType::bf16, 0, settings.device),
               weight = random_tensor({n, n}, DType::bf16, 1, settings.device);
  Tensor y = Tensor::like(x);
  const double product = best_of(settings, [&] { kernels::linear(x, weight, Tensor(), y); });
  const double operations = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  return {{"device", name(settings.device)},
          {"mib", settings.mib},
          {"copy_ms", copy},
          {"copy_gb_per_second", 2 * static_cast<double>(bytes) / copy / 1e6},
          {"size", n},
          {"product_ms", product},
          {"product_tflops", operations / product / 1e9}};
}

}  // namespace lf
