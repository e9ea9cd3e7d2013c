// The CUDA half of beam attention: a block to a head of a row, in f32. Scores pass through memory, so that a
// text may have any length.
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

constexpr int kBeamThreads = 128;
constexpr int kBeamWarps = kBeamThreads / kWarp;

// q, k, v, context (R,H,K), keys, values (P,H,K), table (R,T), unused (R), weights (R H,T).
struct BeamOperands {
  const float *q, *k, *v;
  const int32_t *table, *unused;
  float *keys, *values, *weights, *context;
  int64_t T;
  int H, K;
};

__global__ void beam_attention_kernel(BeamOperands of) {
  const int64_t r = blockIdx.x / of.H, h = blockIdx.x % of.H;
  const int64_t stride = int64_t{of.H} * of.K, from = r * stride + h * of.K;
  const int32_t* places = of.table + r * of.T;
  float* weights = of.weights + int64_t{blockIdx.x} * of.T;
  const int length = static_cast<int>(of.T) - of.unused[r], first = static_cast<int>(threadIdx.x);
  for (int c = first; c < of.K; c += kBeamThreads) {
    const int64_t own = places[length - 1] * stride + h * of.K + c;
    of.keys[own] = of.k[from + c];
    of.values[own] = of.v[from + c];
  }
  __syncthreads();
  const int warp = warp_of_block(), lane = lane_of_warp();
  const float scale = 1.0f / sqrtf(static_cast<float>(of.K));
  float largest = -std::numeric_limits<float>::infinity();
  for (int t = warp; t < length; t += kBeamWarps) {
    const float* key = of.keys + places[t] * stride + h * of.K;
    float sum = 0;
    for (int c = lane; c < of.K; c += kWarp) sum += of.q[from + c] * key[c];
    sum = lf::cuda::warp_sum(sum) * scale;
    if (lane == 0) weights[t] = sum;
    largest = Largest()(largest, sum);
  }
  largest = join_block<kBeamThreads>(largest, Largest());
  float mine = 0;
  for (int t = first; t < length; t += kBeamThreads) mine += weights[t] = expf(weights[t] - largest);
  const float sum = join_block<kBeamThreads>(mine, Sum());
  for (int c = first; c < of.K; c += kBeamThreads) {
    float total = 0;
    for (int t = 0; t < length; ++t) total += weights[t] * of.values[places[t] * stride + h * of.K + c];
    of.context[from + c] = total / sum;
  }
}

}  // namespace

void beam_attention(const CachedRows& rows, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& keys,
                    Tensor& values, Tensor& context) {
  const int64_t R = q.dim(0), H = q.dim(1), K = q.dim(2), T = rows.table.dim(1);
  const Tensor weights = Tensor::empty({R * H, T}, DType::f32, Device::cuda);
  const BeamOperands operands{.q = q.device_data<float>(),
                              .k = k.device_data<float>(),
                              .v = v.device_data<float>(),
                              .table = rows.table.device_data<int32_t>(),
                              .unused = rows.unused.device_data<int32_t>(),
                              .keys = keys.device_data<float>(),
                              .values = values.device_data<float>(),
                              .weights = weights.device_data<float>(),
                              .context = context.device_data<float>(),
                              .T = T,
                              .H = static_cast<int>(H),
                              .K = static_cast<int>(K)};
  launch(beam_attention_kernel, {R * H}, kBeamThreads, static_cast<int64_t>(kBeamThreads * sizeof(float)),
         operands);
}

}  // namespace lf::kernels::cuda
