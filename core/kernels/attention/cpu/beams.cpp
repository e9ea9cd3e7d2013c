// Attention of the newest tokens of beams, one task per (row, head).
#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/kernels.h"
#include "core/kernels/simd_targets.h"
#include "core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/attention/cpu/beams.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/attention/cpu/softmax-inl.h"

#ifndef LF_BEAM_ATTENTION_ONCE
#define LF_BEAM_ATTENTION_ONCE
namespace lf {

// One head of one row.
struct BeamHead {
  const float* q;                 // (K)
  const float *keys, *values;     // of this head in place 0
  const int32_t* places;          // (length)
  int64_t length, width, stride;  // width: K; stride: from place to place
  float* weights;                 // (length), rounded up to whole vectors
  float* context;                 // (K)
};

}  // namespace lf
#endif

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

HWY_INLINE float dot_product(const float* a, const float* b, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

HWY_INLINE void add_weighed(float weight, const float* x, int64_t count, float* sum) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, weight);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::MulAdd(factor, hn::LoadU(d, x + i), hn::LoadU(d, sum + i)), d, sum + i);
  for (; i < count; ++i) sum[i] += weight * x[i];
}

void attend_beam(const BeamHead& head) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  const auto scale = static_cast<float>(kLog2E / std::sqrt(static_cast<double>(head.width)));
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t t = 0; t < head.length; ++t) {
    head.weights[t] = scale * dot_product(head.q, head.keys + head.places[t] * head.stride, head.width);
    largest = std::max(largest, head.weights[t]);
  }
  const int64_t whole = (head.length + lanes - 1) / lanes * lanes;
  std::fill(head.weights + head.length, head.weights + whole, -std::numeric_limits<float>::infinity());
  const float sum = exponentiate(head.weights, whole, largest);
  std::fill_n(head.context, head.width, 0.0f);
  for (int64_t t = 0; t < head.length; ++t)
    add_weighed(head.weights[t] / sum, head.values + head.places[t] * head.stride, head.width, head.context);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
HWY_EXPORT(attend_beam);

namespace kernels::cpu {

void beam_attention(const CachedRows& rows, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& keys,
                    Tensor& values, Tensor& context) {
  const int64_t R = q.dim(0), H = q.dim(1), K = q.dim(2), stride = H * K;
  const int64_t longest = rows.table.dim(1);
  const auto attend = [&](int64_t begin, int64_t end) {
    constexpr int64_t kMostLanes = 64;
    const auto weights = hwy::AllocateAligned<float>(static_cast<size_t>(longest + kMostLanes));
    for (int64_t n = begin; n < end; ++n) {
      const int64_t r = n / H, h = n % H, length = longest - rows.unused.data<int32_t>()[r];
      const int32_t* places = rows.table.data<int32_t>() + r * longest;
      const int64_t from = r * stride + h * K, own = places[length - 1] * stride + h * K;
      std::copy_n(k.data<float>() + from, K, keys.data<float>() + own);
      std::copy_n(v.data<float>() + from, K, values.data<float>() + own);
      HWY_DYNAMIC_DISPATCH(attend_beam)
      ({.q = q.data<float>() + from,
        .keys = keys.data<float>() + h * K,
        .values = values.data<float>() + h * K,
        .places = places,
        .length = length,
        .width = K,
        .stride = stride,
        .weights = weights.get(),
        .context = context.data<float>() + from});
    }
  };
  constexpr int64_t kWorthAThread = 1 << 15;  // multiply-adds
  parallel_for(R * H, std::max<int64_t>(1, kWorthAThread / (longest * K)), attend);
}

}  // namespace kernels::cpu
}  // namespace lf
#endif  // HWY_ONCE
