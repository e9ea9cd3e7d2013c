// How much of a group's softmax falls on its marked elements, down each column of (N,C).
//   loss = lse(group) - lse(marked),  dlogits = dloss (softmax over the group - softmax over the marked)
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

// Of the rows [begin, end) of a column that are wanted; -inf where none is.
template <class T, class Wanted>
Accumulator<T> log_sum_exp(const T* column, int64_t begin, int64_t end, int64_t stride,
                           const Wanted& is_wanted) {
  using A = Accumulator<T>;
  constexpr A kNothing = -std::numeric_limits<A>::infinity();
  A largest = kNothing, sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    if (is_wanted(i)) largest = std::max(largest, static_cast<A>(column[i * stride]));
  }
  for (int64_t i = begin; i < end; ++i) {
    const A value = static_cast<A>(column[i * stride]);
    if (is_wanted(i) && value != kNothing) sum += std::exp(value - largest);
  }
  return sum == 0 ? kNothing : largest + std::log(sum);
}

}  // namespace

namespace cpu {

void marked_cross_entropy(const Tensor& logits, const Tensor& marks, const Tensor& groups, Tensor& losses,
                          Tensor& lse, Tensor& marked_lse) {
  const int64_t G = groups.elements() - 1, C = logits.dim(1);
  const int32_t* offsets = groups.data<int32_t>();
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(G * C, 1, [&](int64_t first_place, int64_t last_place) {
      for (int64_t place = first_place; place < last_place; ++place) {
        const int64_t c = place % C, begin = offsets[place / C], end = offsets[place / C + 1];
        const T* x = logits.data<T>() + c;
        const int32_t* mark = marks.data<int32_t>() + c;
        bool any = false;
        for (int64_t i = begin; i < end; ++i) any = any || mark[i * C] != 0;
        lse.data<A>()[place] = log_sum_exp(x, begin, end, C, [](int64_t) { return true; });
        marked_lse.data<A>()[place] =
            log_sum_exp(x, begin, end, C, [&](int64_t i) { return mark[i * C] != 0; });
        losses.data<A>()[place] = any ? lse.data<A>()[place] - marked_lse.data<A>()[place] : A{0};
      }
    });
  });
}

void marked_cross_entropy_backward(const Tensor& logits, const Tensor& marks, const Tensor& groups,
                                   const Tensor& lse, const Tensor& marked_lse, const Tensor& dlosses,
                                   Tensor& dlogits) {
  const int64_t G = groups.elements() - 1, C = logits.dim(1);
  const int32_t* offsets = groups.data<int32_t>();
  const int32_t* mark = marks.data<int32_t>();
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(G, 1, [&](int64_t first_group, int64_t last_group) {
      for (int64_t group = first_group; group < last_group; ++group) {
        for (int64_t i = offsets[group] * C; i < offsets[group + 1] * C; ++i) {
          const int64_t place = group * C + i % C;
          const A x = static_cast<A>(logits.data<T>()[i]), marked = marked_lse.data<A>()[place];
          A share = 0;
          if (marked != -std::numeric_limits<A>::infinity()) {
            share = std::exp(x - lse.data<A>()[place]);
            if (mark[i] != 0) share -= std::exp(x - marked);
          }
          dlogits.data<T>()[i] = static_cast<T>(dlosses.data<A>()[place] * share);
        }
      }
    });
  });
}

}  // namespace cpu

void marked_cross_entropy(const Tensor& logits, const Tensor& marks, const Tensor& groups, Tensor& losses,
                          Tensor& lse, Tensor& marked_lse) {
  LF_DISPATCH(logits.device(), marked_cross_entropy, logits, marks, groups, losses, lse, marked_lse);
}
void marked_cross_entropy_backward(const Tensor& logits, const Tensor& marks, const Tensor& groups,
                                   const Tensor& lse, const Tensor& marked_lse, const Tensor& dlosses,
                                   Tensor& dlogits) {
  LF_DISPATCH(logits.device(), marked_cross_entropy_backward, logits, marks, groups, lse, marked_lse, dlosses,
              dlogits);
}

}  // namespace lf::kernels
