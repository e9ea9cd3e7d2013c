// Times the products of a few rows with a matrix of weights beside oneDNN's own: products_bench [repeats].
// GB/s is what is read of the weights. Best of the repeats, the two ways in turn.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <utility>
#include <vector>

#include "core/kernels/product.h"

namespace {

std::vector<float> random(int64_t count) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

double seconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void compare(int64_t rows, int64_t columns, int64_t depth, int repeats) {
  const lf::kernels::Product product{rows, columns, depth, false, true};
  const std::vector<float> a = random(rows * depth), b = random(columns * depth);
  std::vector<float> c(static_cast<size_t>(rows * columns));
  double ours = 1e9, theirs = 1e9;
  for (int n = 0; n < repeats; ++n) {
    ours = std::min(ours, seconds([&] { lf::kernels::multiply(product, a.data(), b.data(), c.data()); }));
    theirs = std::min(theirs, seconds([&] {
                        dnnl_sgemm('N', 'T', rows, columns, depth, 1.0f, a.data(), depth, b.data(), depth,
                                   0.0f, c.data(), columns);
                      }));
  }
  const double operations = 2.0 * double(rows) * double(columns) * double(depth);
  std::printf("%5ld x %5ld x %5ld  %7.1f GFLOP/s %6.1f GB/s   oneDNN %7.1f GFLOP/s   %5.2fx\n", long(rows),
              long(columns), long(depth), operations / ours / 1e9, double(columns * depth) * 4 / ours / 1e9,
              operations / theirs / 1e9, theirs / ours);
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 20;
  for (const int64_t rows : {1, 4, 8, 16, 32, 48, 64, 96, 128, 1024}) {
    for (const auto& [columns, depth] :
         {std::pair<int64_t, int64_t>{768, 768}, {3072, 768}, {768, 3072}, {50265, 768}}) {
      if (rows * columns > 1 << 24) continue;
      compare(rows, columns, depth, repeats);
    }
  }
}
