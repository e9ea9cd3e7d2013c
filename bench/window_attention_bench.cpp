// Times window attention, forward and backward: window_attention_bench [repeats] [name filter].
// GFLOP/s count 4 K (6 K with relative positions) per (query, visible key) pair forward and 2.5 times that
// backward, whatever the kernel really executes. Best of the repeats; "cpu" is the process's time, which
// neighbours disturb less.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"

namespace {

struct Case {
  std::string name;
  int64_t B, T, H, K, left, right;
  int32_t dilation = 1;
  bool relative = false;
  int64_t globals = 0;
  double dropout = 0;
};

struct Timing {
  double wall = 1e9, cpu = 1e9;  // seconds
};

Timing best_of(int repeats, const std::function<void()>& run) {
  Timing best;
  for (int n = 0; n < repeats; ++n) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    run();
    best.cpu = std::min(best.cpu, double(std::clock() - cpu_start) / CLOCKS_PER_SEC);
    best.wall =
        std::min(best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double pairs(const Case& c) {
  double count = 0;
  for (int64_t i = 0; i < c.T; ++i) {
    count += 1 + std::min(c.left, i / c.dilation) + std::min(c.right, (c.T - 1 - i) / c.dilation) + c.globals;
  }
  return count * c.B * c.H;
}

lf::Tensor random(const lf::Shape& shape, lf::DType dtype) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (float& value : values) value = normal(generator);
  return lf::cast(lf::Tensor::from(shape, values), dtype);
}

void run(const Case& c, lf::DType dtype, int repeats) {
  const lf::Shape tokens{c.B * c.T, c.H, c.K}, rows{(c.left + c.right) * c.dilation + 1, c.H, c.K};
  const auto bias = [&] { return lf::Tensor::full({c.H, c.K}, lf::DType::f32, 0.1); };
  const auto three = [&] {
    return lf::kernels::TokenTensors{
        .q = random(tokens, dtype), .k = random(tokens, dtype), .v = random(tokens, dtype)};
  };
  const auto relative_of = [&] {
    if (!c.relative) return lf::kernels::RelativeTensors{};
    return lf::kernels::RelativeTensors{bias(), bias(), random(rows, dtype), c.right * c.dilation};
  };
  const auto qkv = three(), dqkv = three();
  const auto relative = relative_of(), drelative = relative_of();
  const lf::Tensor dcontext = random(tokens, dtype);
  lf::Tensor context = lf::Tensor::like(dcontext), lse = lf::Tensor::empty({c.H, c.B * c.T}, lf::DType::f32);
  lf::kernels::AttentionCall call{
      .offsets = lf::kernels::equal_offsets(c.B, c.T), .left = c.left, .right = c.right};
  call.dilation.assign(static_cast<size_t>(c.H), c.dilation);
  call.scale = 1 / std::sqrt(double(c.K));
  call.dropout = {c.dropout, {.seed = 1, .use = 2, .step = 3}};
  lf::GlobalTokens globals{{0}, {}};
  for (int64_t b = 0; b < c.B; ++b) {
    for (int64_t g = 0; g < c.globals; ++g) globals.positions.push_back(g);
    globals.offsets.push_back(static_cast<int64_t>(globals.positions.size()));
  }
  if (c.globals > 0) call.globals = std::make_shared<lf::GlobalTokens>(globals);

  const Timing forward =
      best_of(repeats, [&] { lf::kernels::window_attention(call, qkv, relative, context, lse); });
  const Timing backward = best_of(repeats, [&] {
    lf::kernels::window_attention_backward(call, qkv, relative, context, lse, dcontext, dqkv, drelative);
  });
  const double flops = pairs(c) * c.K * (c.relative ? 6 : 4);
  std::printf(
      "%-34s %-4s forward %8.2f ms %6.1f GFLOP/s (cpu %8.2f ms %6.1f)   backward %8.2f ms %6.1f GFLOP/s "
      "(cpu %8.2f ms %6.1f)\n",
      c.name.c_str(), lf::name(dtype), forward.wall * 1e3, flops / forward.wall / 1e9, forward.cpu * 1e3,
      flops / forward.cpu / 1e9, backward.wall * 1e3, 2.5 * flops / backward.wall / 1e9, backward.cpu * 1e3,
      2.5 * flops / backward.cpu / 1e9);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 10;
  const std::string filter = argc > 2 ? argv[2] : "";
  const std::vector<Case> cases = {
      {"T 4096, window 513", 1, 4096, 8, 64, 256, 256},
      {"T 4096, window 513, 16 globals", 1, 4096, 8, 64, 256, 256, 1, false, 16},
      {"T 4096, window 513, dilation 2", 1, 4096, 8, 64, 256, 256, 2},
      {"T 4096, window 513, dropout", 1, 4096, 8, 64, 256, 256, 1, false, 0, 0.1},
      {"T 4096, dilation 2, dropout", 1, 4096, 8, 64, 256, 256, 2, false, 0, 0.1},
      {"T 2048, causal 32, relative", 1, 2048, 8, 64, 32, 0, 1, true},
      {"T 2048, causal 512, relative", 1, 2048, 8, 64, 512, 0, 1, true},
      {"T 2048, causal 32", 4, 2048, 8, 64, 32, 0},
      {"T 2048, causal 512", 1, 2048, 8, 64, 512, 0},
      {"T 16384, causal 256", 1, 16384, 8, 64, 256, 0},
      {"T 16384, causal 512", 1, 16384, 8, 64, 512, 0},
      {"T 16384, causal 1024", 1, 16384, 8, 64, 1024, 0},
      {"T 16384, causal 2048", 1, 16384, 8, 64, 2048, 0},
      {"T 4096, dense", 1, 4096, 8, 64, 4096, 4096},
  };
  std::printf("%d threads, best of %d\n", omp_get_max_threads(), repeats);
  for (const Case& c : cases) {
    if (c.name.find(filter) == std::string::npos) continue;
    run(c, lf::DType::f32, repeats);
    if (c.name == cases[0].name) run(c, lf::DType::bf16, repeats);
  }
}
