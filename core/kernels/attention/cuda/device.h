// What attention kernels know of a call beside its tensors: its sizes, with its lists in device memory, and
// what follows from them for one query, one key or one pair. A token has a number t within its sequence b,
// and a row in the tensors.
#pragma once

#include <cuda_runtime.h>

#include "core/kernels/attention/dense.h"
#include "core/kernels/attention/plan.h"
#include "core/kernels/attention/views.h"
#include "core/tensor.h"

namespace lf::kernels::cuda {

struct DeviceAttention {
  int B = 0, N = 0, T = 0, H = 0, K = 0;  // N tokens in all, T of the longest sequence
  int left = 0, right = 0;                // at most T - 1
  int query_begin = 0, query_end = 0;
  int most_globals = 0;  // of a sequence, padded ones among them
  bool causal = false;   // dense attention: keys up to the query's position only
  double scale = 1;
  const int32_t* offsets = nullptr;    // (B + 1) of the sequences; null: all T long
  const int32_t* dilations = nullptr;  // (H); null: all 1
  const uint8_t* kinds = nullptr;      // (N) TokenKind; null: all local
  // The listed tokens of each sequence: window attention's global tokens, or dense attention's queries, whose
  // positions may be -1 (padded) or, if all are 0, 1, ..., missing.
  const int32_t* global_offsets = nullptr;  // (B + 1); null: none
  const int32_t* global_positions = nullptr;
  // Of window attention: where dropout counts the listed tokens from, like tokens of the sequence; null: from
  // their positions.
  const int32_t* global_places = nullptr;

  RandomKey dropout_key;
  uint32_t dropout_threshold = 0;  // 0: no dropout
  double kept = 1;                 // what a kept probability is multiplied by
  int64_t first_row = 0, first_token = 0, first_key = 0, total_queries = 0, total_keys = 0;

  __device__ int dilation(int h) const { return dilations ? dilations[h] : 1; }
  __device__ int length(int b) const { return offsets ? offsets[b + 1] - offsets[b] : T; }
  __device__ int64_t base(int b) const { return offsets ? offsets[b] : int64_t{b} * T; }
  __device__ int64_t row(int b, int t) const { return base(b) + t; }
  // The sequence of a row.
  __device__ int sequence_of(int64_t row) const {
    if (!offsets) return static_cast<int>(row / T);
    int low = 0, high = B;  // offsets[low] <= row < offsets[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (offsets[middle] <= row ? low : high) = middle;
    }
    return low;
  }
  __device__ TokenKind kind(int64_t row) const {
    return kinds ? static_cast<TokenKind>(kinds[row]) : TokenKind::local;
  }
  __device__ TokenKind kind(int b, int t) const { return kind(row(b, t)); }
  // Where lse and the like (H, N) keep the number of a head and token.
  __device__ int64_t slot(int b, int h, int t) const { return int64_t{h} * N + row(b, t); }
  __device__ int first_global(int b) const { return global_offsets ? global_offsets[b] : 0; }
  __device__ int globals(int b) const {
    return global_offsets ? global_offsets[b + 1] - global_offsets[b] : 0;
  }
  // Where dropout counts token t of the sequence, which may be a listed one.
  __device__ int dropout_place(int b, int t) const {
    for (int n = first_global(b); global_places && n < global_offsets[b + 1]; ++n)
      if (global_positions[n] == t) return global_places[n];
    return t;
  }
  // Whether window attention computes the context of token t.
  __device__ bool is_query(int b, int t) const {
    return t >= query_begin && t < query_end && kind(b, t) == TokenKind::local;
  }
  // The dropout element of (b, h, i, key 0); key j is j further.
  __device__ uint64_t dropout_row(int b, int h, int i) const {
    const int64_t row = ((first_row + b) * H + h) * total_queries + first_token + i;
    return static_cast<uint64_t>(row * total_keys + first_key);
  }
  // dropout_bits, with the word chosen by comparisons: an index would put the block into local memory.
  __device__ bool keeps(uint64_t element) const {
    const auto block = philox(dropout_key, element / 8);
    const uint32_t low = element & 2 ? block[1] : block[0], high = element & 2 ? block[3] : block[2];
    const uint32_t word = element & 4 ? high : low;
    return (element & 1 ? word >> 16 : word & 0xffffu) >= dropout_threshold;
  }
};

// Lists of tokens and heads in one piece of device memory: where each begins; -1: there is none.
struct ListsOnDevice {
  Tensor memory;  // bytes; undefined where there is no list
  int64_t sequences = -1, dilations = -1, offsets = -1, positions = -1, kinds = -1, places = -1;
  int most_globals = 0;
};

// A call with its lists on the device, where they are brought unless those of one of the last few calls are
// the same; they live as long as this object.
class AttentionOnDevice {
 public:
  explicit AttentionOnDevice(const AttentionShape& shape);
  explicit AttentionOnDevice(const DenseShape& shape);

  const DeviceAttention& view() const { return view_; }

 private:
  void point_to_lists();

  DeviceAttention view_;
  ListsOnDevice lists_;
};

}  // namespace lf::kernels::cuda
