// The CUDA half of sampling.cpp, by one block and without a sort: every bound in the order of probabilities
// is found bit by bit, as the greatest rank above which there is enough.
#include <bit>
#include <cstdint>

#include "core/cuda/join.h"
#include "core/cuda/launch.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::join_block;
using lf::cuda::kWarp;
using lf::cuda::Largest;
using lf::cuda::launch;
using lf::cuda::Sum;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// The tokens with their weights, from which a block chooses.
struct Tokens {
  const float* logits;
  double* weights;
  int V, id_bits;  // that V takes

  // A token's place in the order of logits, of equals the first highest; no two have the same, and 0 is
  // none's.
  __device__ uint64_t rank(int id) const {
    const uint32_t bits = __float_as_uint(logits[id] + 0.0f);  // of zeros there is one
    const uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
    return uint64_t{ordered} << 32 | static_cast<uint32_t>(V - id);
  }
  __device__ int id(uint64_t rank_of_it) const { return V - static_cast<int>(rank_of_it & 0xffffffffu); }

  // The greatest rank such that the masses of the tokens from it upwards sum up to at least `goal`.
  template <class Mass>
  __device__ uint64_t bound(double goal, Mass mass) const {
    uint64_t greatest = 0;
    for (int bit = 63; bit >= 0; bit = bit == 32 ? id_bits - 1 : bit - 1) {
      const uint64_t higher = greatest | uint64_t{1} << bit;
      if (mass_from(higher, mass) >= goal) greatest = higher;
    }
    return greatest;
  }
  template <class Mass>
  __device__ double mass_from(uint64_t least, Mass mass) const {
    double mine = 0;
    for (int i = static_cast<int>(threadIdx.x); i < V; i += kThreads) {
      if (rank(i) >= least) mine += mass(i);
    }
    return join_block<kThreads>(mine, Sum());
  }
};

struct One {
  __device__ double operator()(int) const { return 1; }
};
struct Weight {
  const double* weights;
  __device__ double operator()(int i) const { return weights[i]; }
};

__global__ void sample_kernel(Sampling settings, double uniform, Tokens tokens, int32_t* id,
                              float* log_probability) {
  const int first = static_cast<int>(threadIdx.x);
  uint64_t best = 0;
  for (int i = first; i < tokens.V; i += kThreads) best = Largest()(best, tokens.rank(i));
  best = join_block<kThreads>(best, Largest());
  const double largest = tokens.logits[tokens.id(best)];
  double exponentials = 0;
  for (int i = first; i < tokens.V; i += kThreads) {
    const double below = static_cast<double>(tokens.logits[i]) - largest;
    exponentials += exp(below);
    tokens.weights[i] = exp(below / settings.temperature);
  }
  exponentials =
      join_block<kThreads>(exponentials, Sum());  // behind its barrier the weights are there for all
  uint64_t chosen = best;
  if (settings.do_sample) {
    uint64_t least = 0;  // the rank of the last token that may be chosen
    if (settings.top_k > 0 && settings.top_k < tokens.V)
      least = tokens.bound(static_cast<double>(settings.top_k), One());
    const Weight weight{tokens.weights};
    if (settings.top_p < 1) {
      const uint64_t enough = tokens.bound(settings.top_p * tokens.mass_from(least, weight), weight);
      least = Largest()(least, enough);
    }
    chosen = tokens.bound(uniform * tokens.mass_from(least, weight), weight);
    chosen = Largest()(chosen, least);
    if (chosen == 0) chosen = best;  // where weights are NaN no bound exists; the probability says so
  }
  if (threadIdx.x != 0) return;
  *id = tokens.id(chosen);
  *log_probability = static_cast<float>(tokens.logits[tokens.id(chosen)] - largest - log(exponentials));
}

}  // namespace

void sample(const Sampling& settings, double uniform, const Tensor& logits, Tensor& id,
            Tensor& log_probability) {
  const int64_t V = logits.elements();
  CHECK(V < INT32_MAX, "sample: ", V, " tokens; needed fewer than 2^31");
  const Tensor weights = Tensor::empty({V}, DType::f64, Device::cuda);
  launch(sample_kernel, {1}, kThreads, static_cast<int64_t>(kWarps * sizeof(double)), settings, uniform,
         Tokens{logits.device_data<float>(), weights.device_data<double>(), static_cast<int>(V),
                static_cast<int>(std::bit_width(static_cast<uint64_t>(V)))},
         id.device_data<int32_t>(), log_probability.device_data<float>());
}

}  // namespace lf::kernels::cuda
