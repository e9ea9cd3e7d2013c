// The CUDA half of marked_cross_entropy.cpp: a warp to a column of a group.
#include <limits>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::row_of_warp;

constexpr int kThreads = 256;

template <class A>
__device__ A minus_infinity() {
  return -std::numeric_limits<A>::infinity();
}

// Of the wanted rows [begin, end) of a column, the same bits in every lane; -inf where none is.
template <class T, class Wanted>
__device__ Accumulator<T> log_sum_exp(const T* column, int64_t begin, int64_t end, int64_t stride,
                                      const Wanted& is_wanted) {
  using A = Accumulator<T>;
  A largest = minus_infinity<A>(), sum = 0;
  for (int64_t i = begin + lane_of_warp(); i < end; i += kWarp) {
    const A value = static_cast<A>(column[i * stride]);
    if (is_wanted(i) && value > largest) largest = value;
  }
  largest = lf::cuda::warp_max(largest);
  for (int64_t i = begin + lane_of_warp(); i < end; i += kWarp) {
    const A value = static_cast<A>(column[i * stride]);
    if (is_wanted(i) && value != minus_infinity<A>()) sum += exp(value - largest);
  }
  sum = lf::cuda::warp_sum(sum);
  return sum == 0 ? minus_infinity<A>() : largest + log(sum);
}

template <class T>
__global__ void losses_kernel(const T* logits, const int32_t* marks, const int32_t* groups,
                              Accumulator<T>* losses, Accumulator<T>* lse, Accumulator<T>* marked_lse,
                              int64_t places, int64_t C) {
  using A = Accumulator<T>;
  const int64_t place = row_of_warp<kThreads>();
  if (place >= places) return;
  const int64_t c = place % C, begin = groups[place / C], end = groups[place / C + 1];
  const T* x = logits + c;
  const int32_t* mark = marks + c;
  int any = 0;
  for (int64_t i = begin + lane_of_warp(); i < end; i += kWarp) any |= mark[i * C] != 0;
  any = lf::cuda::warp_max(any);
  const A all = log_sum_exp(x, begin, end, C, [](int64_t) { return true; });
  const A marked = log_sum_exp(x, begin, end, C, [&](int64_t i) { return mark[i * C] != 0; });
  if (lane_of_warp() != 0) return;
  lse[place] = all;
  marked_lse[place] = marked;
  losses[place] = any ? all - marked : A{0};
}

template <class T>
__global__ void dlogits_kernel(const T* logits, const int32_t* marks, const int32_t* groups,
                               const Accumulator<T>* lse, const Accumulator<T>* marked_lse,
                               const Accumulator<T>* dlosses, T* dlogits, int64_t places, int64_t C) {
  using A = Accumulator<T>;
  const int64_t place = row_of_warp<kThreads>();
  if (place >= places) return;
  const int64_t c = place % C, end = groups[place / C + 1];
  const A all = lse[place], marked = marked_lse[place], up = dlosses[place];
  for (int64_t row = groups[place / C] + lane_of_warp(); row < end; row += kWarp) {
    const int64_t i = row * C + c;
    const A x = static_cast<A>(logits[i]);
    A share = 0;
    if (marked != minus_infinity<A>()) {
      share = exp(x - all);
      if (marks[i] != 0) share -= exp(x - marked);
    }
    dlogits[i] = static_cast<T>(up * share);
  }
}

}  // namespace

void marked_cross_entropy(const Tensor& logits, const Tensor& marks, const Tensor& groups, Tensor& losses,
                          Tensor& lse, Tensor& marked_lse) {
  const int64_t places = losses.elements();
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(losses_kernel<T>, {blocks_for_rows<kThreads>(places)}, kThreads, 0, logits.device_data<T>(),
           marks.device_data<int32_t>(), groups.device_data<int32_t>(), losses.device_data<A>(),
           lse.device_data<A>(), marked_lse.device_data<A>(), places, logits.dim(1));
  });
}

void marked_cross_entropy_backward(const Tensor& logits, const Tensor& marks, const Tensor& groups,
                                   const Tensor& lse, const Tensor& marked_lse, const Tensor& dlosses,
                                   Tensor& dlogits) {
  const int64_t places = lse.elements();
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(dlogits_kernel<T>, {blocks_for_rows<kThreads>(places)}, kThreads, 0, logits.device_data<T>(),
           marks.device_data<int32_t>(), groups.device_data<int32_t>(), lse.device_data<A>(),
           marked_lse.device_data<A>(), dlosses.device_data<A>(), dlogits.device_data<T>(), places,
           logits.dim(1));
  });
}

}  // namespace lf::kernels::cuda
