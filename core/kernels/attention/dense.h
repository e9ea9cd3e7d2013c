// A dense call with the sizes that its tensors add.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/views.h"

namespace lf {

struct DenseShape {
  DenseShape(const kernels::DenseCall& call_, int64_t H_, int64_t K_)
      : call(call_),
        B(static_cast<int64_t>(call_.query_offsets.size()) - 1),
        M(call_.query_offsets.back()),
        N(call_.key_offsets.back()),
        H(H_),
        K(K_) {}

  int64_t queries(int64_t b) const { return call.query_offsets[b + 1] - call.query_offsets[b]; }
  int64_t keys(int64_t b) const { return call.key_offsets[b + 1] - call.key_offsets[b]; }
  int64_t most_queries() const { return most(call.query_offsets); }
  int64_t most_keys() const { return most(call.key_offsets); }
  bool is_key(int64_t row) const { return !call.mask.defined() || call.mask.data<uint8_t>()[row] != 0; }
  // Of query n of the sequence whose first is `first`; -1: padded.
  int64_t position(int64_t first, int64_t n) const {
    return call.positions.empty() ? n : call.positions[first + n];
  }
  int64_t total_queries() const { return call.total_queries == 0 ? most_queries() : call.total_queries; }
  int64_t total_keys() const { return call.total_keys == 0 ? most_keys() : call.total_keys; }
  // The dropout element of (b, h, i, first key); key j is j further.
  uint64_t dropout_row(int64_t b, int64_t h, int64_t i) const {
    const int64_t row = ((call.first_row + b) * H + h) * total_queries() + i;
    return static_cast<uint64_t>(row * total_keys() + call.first_key);
  }

  const kernels::DenseCall& call;
  int64_t B, M, N, H, K;  // M queries, N keys

 private:
  static int64_t most(const std::vector<int64_t>& offsets) {
    int64_t longest = 0;
    for (size_t b = 0; b + 1 < offsets.size(); ++b) longest = std::max(longest, offsets[b + 1] - offsets[b]);
    return longest;
  }
};

}  // namespace lf
