// One diagonal of a banded product at a time, tokens along the last axis so that the inner loop is
// contiguous. Group g's diagonal lies offsets[g] keys to the right of the query; what falls outside [0, T) is
// left out.
#include <algorithm>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

// Queries t in [begin, end) whose key t + offset exists.
struct Overlap {
  int64_t begin, end;
};

Overlap overlap(int64_t T, int64_t offset) {
  return {std::clamp<int64_t>(-offset, 0, T), std::clamp<int64_t>(T - offset, 0, T)};
}

}  // namespace

namespace cpu {

void diagonal_dot(const Tensor& a, const Tensor& b, const std::vector<int64_t>& offsets, Tensor& y) {
  const int64_t G = a.dim(0), K = a.dim(1), T = a.dim(2);
  visit_float(a.dtype(), [&]<class E>() {
    using A = Accumulator<E>;
    parallel_for(G, 1, [&](int64_t first, int64_t last) {
      std::vector<A> sum(static_cast<size_t>(T));
      for (int64_t g = first; g < last; ++g) {
        const int64_t offset = offsets[static_cast<size_t>(g)];
        const auto [begin, end] = overlap(T, offset);
        std::fill(sum.begin(), sum.end(), A{0});
        for (int64_t k = 0; k < K; ++k) {
          const E* left = a.data<E>() + (g * K + k) * T;
          const E* right = b.data<E>() + (g * K + k) * T + offset;
          A* out = sum.data();
          for (int64_t t = begin; t < end; ++t) out[t] += static_cast<A>(left[t]) * static_cast<A>(right[t]);
        }
        E* out = y.data<E>() + g * T;
        for (int64_t t = 0; t < T; ++t) out[t] = static_cast<E>(sum[static_cast<size_t>(t)]);
      }
    });
  });
}

// sum[g][k][t + into] += w[g][t] x[g][k][t + from], where one of from and into is the group's offset.
template <bool kBack>
void add_diagonal(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  const int64_t G = x.dim(0), K = x.dim(1), T = x.dim(2);
  visit_float(x.dtype(), [&]<class E>() {
    using A = Accumulator<E>;
    parallel_for(G * K, 4, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        const int64_t offset = offsets[static_cast<size_t>(row / K)];
        const auto [begin, end] = overlap(T, offset);
        const E* weight = w.data<E>() + row / K * T;
        const E* in = x.data<E>() + row * T + (kBack ? 0 : offset);
        A* out = sum.data<A>() + row * T + (kBack ? offset : 0);
        for (int64_t t = begin; t < end; ++t) out[t] += static_cast<A>(weight[t]) * static_cast<A>(in[t]);
      }
    });
  });
}

void diagonal_add(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  add_diagonal<false>(w, x, offsets, sum);
}
void diagonal_add_back(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  add_diagonal<true>(w, x, offsets, sum);
}

}  // namespace cpu

void diagonal_dot(const Tensor& a, const Tensor& b, const std::vector<int64_t>& offsets, Tensor& y) {
  LF_DISPATCH(y.device(), diagonal_dot, a, b, offsets, y);
}
void diagonal_add(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  LF_DISPATCH(sum.device(), diagonal_add, w, x, offsets, sum);
}
void diagonal_add_back(const Tensor& w, const Tensor& x, const std::vector<int64_t>& offsets, Tensor& sum) {
  LF_DISPATCH(sum.device(), diagonal_add_back, w, x, offsets, sum);
}

}  // namespace lf::kernels
