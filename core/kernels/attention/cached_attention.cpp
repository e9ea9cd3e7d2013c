// Attention of one new token to the keys that its window still reaches: what writing text costs per token.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace cpu {

void cached_attention(const CachedToken& at, const Tensor& qkv, const Tensor& dilation, const Tensor& u,
                      const Tensor& v, const Tensor& r, Tensor& keys, Tensor& values, Tensor& context) {
  const int64_t slots = keys.dim(0), H = keys.dim(1), K = keys.dim(2), row = H * K;
  const float* q = qkv.data<float>();
  const int64_t newest = at.token % slots;
  std::copy_n(q + row, row, keys.data<float>() + newest * row);
  std::copy_n(q + 2 * row, row, values.data<float>() + newest * row);
  const float scale = 1.0f / std::sqrt(static_cast<float>(K));
  const auto attend = [&](int64_t h) {
    const int64_t step = dilation.data<int32_t>()[h];
    const int64_t count = std::min(at.window, at.token / step) + 1;
    const auto row_of = [&](const Tensor& cache, int64_t s) {
      const int64_t slot = newest - s * step;
      return cache.data<float>() + (slot < 0 ? slot + slots : slot) * row + h * K;
    };
    std::vector<float> content(q + h * K, q + (h + 1) * K), place = content;
    if (r.defined()) {
      for (int64_t k = 0; k < K; ++k) {
        content[static_cast<size_t>(k)] += u.data<float>()[h * K + k];
        place[static_cast<size_t>(k)] += v.data<float>()[h * K + k];
      }
    }
    std::vector<float> weights(static_cast<size_t>(count));
    for (int64_t s = 0; s < count; ++s) {
      const float* key = row_of(keys, s);
      float sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += content[static_cast<size_t>(k)] * key[k];
      if (r.defined()) {
        const float* position = r.data<float>() + s * step * row + h * K;
        for (int64_t k = 0; k < K; ++k) sum += place[static_cast<size_t>(k)] * position[k];
      }
      weights[static_cast<size_t>(s)] = sum * scale;
    }
    const float largest = *std::max_element(weights.begin(), weights.end());
    float total = 0;
    for (float& weight : weights) total += weight = std::exp(weight - largest);
    float* out = context.data<float>() + h * K;
    std::fill_n(out, K, 0.0f);
    for (int64_t s = 0; s < count; ++s) {
      const float weight = weights[static_cast<size_t>(s)] / total, *value = row_of(values, s);
      for (int64_t k = 0; k < K; ++k) out[k] += weight * value[k];
    }
  };
  constexpr int64_t kWorthAThread = 1 << 15;  // multiply-adds
  const int64_t heads = std::max<int64_t>(1, kWorthAThread / ((at.window + 1) * K));
  parallel_for(H, heads, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) attend(h);
  });
}

}  // namespace cpu

void cached_attention(const CachedToken& at, const Tensor& qkv, const Tensor& dilation, const Tensor& u,
                      const Tensor& v, const Tensor& r, Tensor& keys, Tensor& values, Tensor& context) {
  LF_DISPATCH(context.device(), cached_attention, at, qkv, dilation, u, v, r, keys, values, context);
}

}  // namespace lf::kernels
