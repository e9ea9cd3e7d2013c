// The CUDA half of diagonal.cpp: one thread to a group's query, lanes along the tokens. The offsets travel as
// a kernel's parameter, so that nothing waits for a copy.
#include <algorithm>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::item_of_thread;
using lf::cuda::kLoopThreads;
using lf::cuda::launch;

constexpr int64_t kGroups = 256;  // per launch: their offsets must fit into a kernel's 4 KiB of parameters

struct Offsets {
  int64_t of[kGroups];
};

struct Sizes {
  int64_t first_group, K, T;
};

// Calls f(group, query, key) for this thread's query, key = query + offset, which may lie outside [0, T).
template <class F>
__device__ void for_query(const Sizes& s, const Offsets& offsets, F&& f) {
  const int64_t query = item_of_thread();
  if (query < s.T) f(s.first_group + blockIdx.y, query, query + offsets.of[blockIdx.y]);
}

template <class E>
__global__ void dot_kernel(const E* a, const E* b, Offsets offsets, Sizes s, E* y) {
  using A = Accumulator<E>;
  for_query(s, offsets, [&](int64_t group, int64_t query, int64_t key) {
    A sum = 0;
    if (key >= 0 && key < s.T) {
      const int64_t row = group * s.K * s.T;
      for (int64_t k = 0; k < s.K; ++k) {
        sum += static_cast<A>(a[row + k * s.T + query]) * static_cast<A>(b[row + k * s.T + key]);
      }
    }
    y[group * s.T + query] = static_cast<E>(sum);
  });
}

template <class E, bool Back>
__global__ void add_kernel(const E* w, const E* x, Offsets offsets, Sizes s, Accumulator<E>* sum) {
  using A = Accumulator<E>;
  for_query(s, offsets, [&](int64_t group, int64_t query, int64_t key) {
    if (key < 0 || key >= s.T) return;
    const auto weight = static_cast<A>(w[group * s.T + query]);
    const int64_t row = group * s.K * s.T, from = Back ? query : key, into = Back ? key : query;
    for (int64_t k = 0; k < s.K; ++k) {
      sum[row + k * s.T + into] += weight * static_cast<A>(x[row + k * s.T + from]);
    }
  });
}

// Calls f(grid, offsets, sizes) for as many groups at a time as a launch takes.
template <class F>
void for_groups(int64_t G, int64_t K, int64_t T, const std::vector<int64_t>& offsets, F&& f) {
  for (int64_t first = 0; first < G; first += kGroups) {
    const int64_t count = std::min(kGroups, G - first);
    Offsets part{};
    std::copy_n(offsets.begin() + first, count, part.of);
    f(lf::cuda::Grid{(T + kLoopThreads - 1) / kLoopThreads, count}, part, Sizes{first, K, T});
  }
}

template <bool Back>
void add_diagonal(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  visit_float(x.dtype(), [&]<class E>() {
    for_groups(x.dim(0), x.dim(1), x.dim(2), offsets,
               [&](const lf::cuda::Grid& grid, const Offsets& part, const Sizes& sizes) {
                 launch(add_kernel<E, Back>, grid, kLoopThreads, 0, w.device_data<E>(), x.device_data<E>(),
                        part, sizes, sum.device_data<Accumulator<E>>());
               });
  });
}

}  // namespace

void diagonal_dot(const Tensor& a, const Tensor& b, const std::vector<int64_t>& offsets, Tensor& y) {
  visit_float(a.dtype(), [&]<class E>() {
    for_groups(a.dim(0), a.dim(1), a.dim(2), offsets,
               [&](const lf::cuda::Grid& grid, const Offsets& part, const Sizes& sizes) {
                 launch(dot_kernel<E>, grid, kLoopThreads, 0, a.device_data<E>(), b.device_data<E>(), part,
                        sizes, y.device_data<E>());
               });
  });
}
void diagonal_add(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  add_diagonal<false>(w, x, offsets, sum);
}
void diagonal_add_back(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  add_diagonal<true>(w, x, offsets, sum);
}

}  // namespace lf::kernels::cuda
