// The CUDA half of cached_attention.cpp: a block to a head, in f32. Scores pass through memory, so that a
// window may have any length.
#include <cmath>
#include <limits>

#include "core/cuda/join.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::join_block;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::Largest;
using lf::cuda::launch;
using lf::cuda::Sum;
using lf::cuda::warp_of_block;

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarp;

// All heads' pointers; (H,K) but for keys, values (slots,H,K), r (distances,H,K) and weights (H,window + 1).
struct Operands {
  const float *q, *u, *v, *r;
  const int32_t* dilation;
  float *keys, *values, *weights, *context;
};

struct Sizes {
  int64_t token, window, slots, newest;  // the newest token and its slot
  int H, K;
};

// One head's part of the operands, and where its window's keys are.
struct Head {
  Operands of;
  Sizes size;
  int64_t offset, step, count;  // the head's place in a row, its dilation, its keys

  __device__ Head(const Operands& operands, const Sizes& sizes, int64_t h)
      : of(operands), size(sizes), offset(h * sizes.K), step(operands.dilation[h]) {
    const int64_t earlier = size.token / step;
    count = (earlier < size.window ? earlier : size.window) + 1;
    of.weights += h * (size.window + 1);
  }
  // Where key or value s of the window begins, counted backwards from the newest token.
  __device__ int64_t row(int64_t s) const {
    const int64_t slot = size.newest - s * step;
    return (slot < 0 ? slot + size.slots : slot) * size.H * size.K + offset;
  }

  // Puts the newest token's key and value into their slot.
  __device__ void store() const {
    const int64_t all_heads = int64_t{size.H} * size.K, to = row(0);
    for (int k = static_cast<int>(threadIdx.x); k < size.K; k += kThreads) {
      of.keys[to + k] = of.q[all_heads + offset + k];
      of.values[to + k] = of.q[2 * all_heads + offset + k];
    }
  }
  // weights = the scores, a warp to a key; returns the largest that this thread's warp has made.
  __device__ float score() const {
    const int warp = warp_of_block(), lane = lane_of_warp();
    const float scale = 1.0f / sqrtf(static_cast<float>(size.K));
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t s = warp; s < count; s += kWarps) {
      const float* key = of.keys + row(s);
      float sum = 0;
      for (int k = lane; k < size.K; k += kWarp) {
        const float query = of.q[offset + k];
        sum += (of.r ? query + of.u[offset + k] : query) * key[k];
        if (of.r) {
          const float* place = of.r + s * step * size.H * size.K;
          sum += (query + of.v[offset + k]) * place[offset + k];
        }
      }
      sum = lf::cuda::warp_sum(sum) * scale;
      if (lane == 0) of.weights[s] = sum;
      largest = Largest()(largest, sum);
    }
    return largest;
  }
  // weights = exp(scores - largest); returns this thread's part of their sum.
  __device__ float exponentials(float largest) const {
    float sum = 0;
    for (int64_t s = threadIdx.x; s < count; s += kThreads)
      sum += of.weights[s] = expf(of.weights[s] - largest);
    return sum;
  }
  // context = the weighted values, 32 columns at a time: each warp adds up its keys, the first all warps.
  __device__ void weigh(float factor) const {
    auto* of_warps = reinterpret_cast<float*>(lf::cuda::shared_memory());
    const int warp = warp_of_block(), lane = lane_of_warp();
    for (int k = lane; k - lane < size.K; k += kWarp) {
      float sum = 0;
      for (int64_t s = warp; s < count && k < size.K; s += kWarps)
        sum += of.weights[s] * of.values[row(s) + k];
      of_warps[threadIdx.x] = sum;
      __syncthreads();
      if (warp == 0 && k < size.K) {
        float total = 0;
        for (int w = 0; w < kWarps; ++w) total += of_warps[w * kWarp + lane];
        of.context[offset + k] = total * factor;
      }
      __syncthreads();
    }
  }
};

__global__ void cached_attention_kernel(Operands operands, Sizes sizes) {
  const Head head(operands, sizes, blockIdx.x);
  head.store();
  __syncthreads();
  const float largest = join_block<kThreads>(head.score(), Largest());
  const float sum = join_block<kThreads>(head.exponentials(largest), Sum());
  head.weigh(1.0f / sum);
}

}  // namespace

void cached_attention(const CachedToken& at, const Tensor& qkv, const Tensor& dilation, const Tensor& u,
                      const Tensor& v, const Tensor& r, Tensor& keys, Tensor& values, Tensor& context) {
  const int64_t slots = keys.dim(0), H = keys.dim(1), K = keys.dim(2);
  const Tensor weights = Tensor::empty({H, at.window + 1}, DType::f32, Device::cuda);
  const auto optional = [&](const Tensor& x) { return r.defined() ? x.device_data<float>() : nullptr; };
  const Operands operands{qkv.device_data<float>(),
                          optional(u),
                          optional(v),
                          optional(r),
                          dilation.device_data<int32_t>(),
                          keys.device_data<float>(),
                          values.device_data<float>(),
                          weights.device_data<float>(),
                          context.device_data<float>()};
  const Sizes sizes{at.token, at.window, slots, at.token % slots, static_cast<int>(H), static_cast<int>(K)};
  launch(cached_attention_kernel, {H}, kThreads, static_cast<int64_t>(kThreads * sizeof(float)), operands,
         sizes);
}

}  // namespace lf::kernels::cuda
