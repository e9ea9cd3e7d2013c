// Moving elements: gather_columns (an index per output column) and swap_axes. Plain copies, no arithmetic but
// the sums of the gradient.
#include <algorithm>
#include <cstring>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace cpu {

void gather_columns(const Tensor& x, const Tensor& index, double fill, Tensor& y) {
  const int64_t C = x.dim(1), E = index.dim(1), R = index.dim(0);
  visit_float(x.dtype(), [&]<class T>() {
    const T nothing = static_cast<T>(static_cast<Accumulator<T>>(fill));
    parallel_for(x.dim(0), 8, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const int32_t* from = index.data<int32_t>() + n % R * E;
        const T* in = x.data<T>() + n * C;
        T* out = y.data<T>() + n * E;
        for (int64_t c = 0; c < E; ++c) out[c] = from[c] < 0 ? nothing : in[from[c]];
      }
    });
  });
}

void gather_columns_backward(const Tensor& index, const Tensor& dy, Tensor& dx) {
  const int64_t C = dx.dim(1), E = index.dim(1), R = index.dim(0);
  visit_float(dx.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(dx.dim(0), 8, [&](int64_t begin, int64_t end) {
      std::vector<A> sum(static_cast<size_t>(C));
      for (int64_t n = begin; n < end; ++n) {
        const int32_t* from = index.data<int32_t>() + n % R * E;
        const T* up = dy.data<T>() + n * E;
        std::fill(sum.begin(), sum.end(), A{0});
        for (int64_t c = 0; c < E; ++c) {
          if (from[c] >= 0) sum[static_cast<size_t>(from[c])] += static_cast<A>(up[c]);
        }
        T* out = dx.data<T>() + n * C;
        for (int64_t i = 0; i < C; ++i) out[i] = static_cast<T>(sum[static_cast<size_t>(i)]);
      }
    });
  });
}

void swap_axes(const Tensor& x, int64_t A, int64_t B, int64_t C, int64_t inner, Tensor& y) {
  const int64_t bytes = inner * size_of(x.dtype());
  parallel_for(A * B, 16, [&](int64_t begin, int64_t end) {
    for (int64_t ab = begin; ab < end; ++ab) {
      const int64_t a = ab / B, b = ab % B;
      for (int64_t c = 0; c < C; ++c) {
        std::memcpy(y.raw() + ((a * C + c) * B + b) * bytes, x.raw() + (ab * C + c) * bytes,
                    static_cast<size_t>(bytes));
      }
    }
  });
}

}  // namespace cpu

void gather_columns(const Tensor& x, const Tensor& index, double fill, Tensor& y) {
  LF_DISPATCH(y.device(), gather_columns, x, index, fill, y);
}
void gather_columns_backward(const Tensor& index, const Tensor& dy, Tensor& dx) {
  LF_DISPATCH(dx.device(), gather_columns_backward, index, dy, dx);
}
void swap_axes(const Tensor& x, int64_t A, int64_t B, int64_t C, int64_t inner, Tensor& y) {
  LF_DISPATCH(y.device(), swap_axes, x, A, B, C, inner, y);
}

}  // namespace lf::kernels
