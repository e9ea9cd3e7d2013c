// How many queries meet how many keys in an attention call, counted without running it.
#pragma once

#include "core/kernels/attention_call.h"

namespace lf::kernels {

// Of all heads together.
struct AttentionPairs {
  double band = 0;         // local queries with the local keys of their window
  double global_keys = 0;  // local queries with global keys
};

AttentionPairs attention_pairs(const AttentionCall& call, int64_t H);
double dense_pairs(const DenseCall& call, int64_t H);

// Operations of the forward pass on heads of width K: a product of K numbers for each pair's score, one more
// for its relative position, one for the context.
double window_operations(const AttentionPairs& pairs, int64_t K, bool relative);
double dense_operations(double pairs, int64_t K);
// Of the gradients: the scores again, the context's gradient by the probabilities and the values, and the
// scores' by q and k; by u + q and r too where positions are relative.
double window_backward_operations(const AttentionPairs& pairs, int64_t K, bool relative);
double dense_backward_operations(double pairs, int64_t K);

}  // namespace lf::kernels
