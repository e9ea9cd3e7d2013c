// Every differentiable operation on one page, with its formula and shapes.
// Letters: B batch, T tokens, D width, H heads, K head width, V vocabulary, I inputs, O outputs, ... any
// leading axes. Parameters enter as f32 (f64 in gradient checks); `cast` brings a matrix to the activations'
// dtype.
#pragma once

#include "autograd/attention_pattern.h"
#include "autograd/row_dropout.h"
#include "autograd/tape.h"

namespace lf {

// --- elementwise ---
Var add(const Var& a, const Var& b);       // a + b, one shape
Var multiply(const Var& a, const Var& b);  // a b, one shape
Var scale(const Var& x, double factor);    // factor x
Var tanh(const Var& x);
Var cast(const Var& x, DType dtype);  // x itself when the dtype is already right
Var sum(const Var& x);                // () f32 (f64 for f64): the sum of all elements

// --- activation: dropout keeps an element with probability 1 - p and scales it by 1 / (1 - p); p = 0:
// identity ---
Var dropout(const Var& x, const RowDropout& drop);
Var add_dropout(const Var& residual, const Var& x, const RowDropout& drop);  // residual + dropout(x)
Var gelu_dropout(const Var& x, const RowDropout& drop);                      // dropout(x Phi(x)), exact GELU

// --- linear ---
// x (..., I) weight (O, I)^T + bias (O) -> (..., O); weight of x's dtype, or an f32 parameter, or a copy of
// one in x's dtype whose gradient is f32
Var linear(const Var& x, const Var& weight, const Var& bias = {});
Var add_bias(const Var& x, const Var& bias);  // x (..., D) + bias (D)
// a (G,M,K) or, transposed, (G,K,M) times b (G,K,N) or (G,N,K) -> (G,M,N)
Var matmul(const Var& a, bool transpose_a, const Var& b, bool transpose_b);

// --- layer_norm: over the last axis; gamma, beta (D) ---
Var layer_norm(const Var& x, const Var& gamma, const Var& beta, double epsilon);
// sum = residual + dropout(x), and its layer_norm
struct SumAndNorm {
  Var sum, norm;
};
SumAndNorm add_dropout_layer_norm(const Var& residual, const Var& x, const RowDropout& drop, const Var& gamma,
                                  const Var& beta, double epsilon);

// --- embedding: table (V, D), ids (...) i32 -> factor table[ids] (..., D) in `dtype`; look-ups of the id
// `padding` do not train the table (-1: none such) ---
Var embedding(const Var& table, const Tensor& ids, double factor, DType dtype, int64_t padding = -1);
Var select_rows(const Var& x, const Tensor& rows);  // x (M, D)[rows (N) i32] -> (N, D)

// --- softmax ---
Var softmax(const Var& x);  // over the last axis; a row of -inf only gives zeros
// -log softmax(logits)[target] per position, in nats; logits (..., V), targets (...) i32, -1 gives 0 -> (...)
// f32. Its gradient is written over logits that nobody else holds. Label smoothing: that share of a loss is
// the mean over all V targets (a weight of each class or target: multiply the losses).
Var cross_entropy(const Var& logits, const Tensor& targets, double smoothing = 0);
// How little of a group's softmax falls on what is marked in it, in nats: -log(sum of the softmax over the
// marked), as where any of several answers will do (Clark & Gardner 2018). Down each column of logits (N, C),
// of the rows [groups[g], groups[g + 1]); marks (N, C) i32, 0: not marked; groups (G+1) i32, from 0 to N ->
// (G, C) f32, 0 where nothing is marked.
Var marked_cross_entropy(const Var& logits, const Tensor& marks, const Tensor& groups);

// --- shape: views and moves ---
Var reshape(const Var& x, const Shape& shape);
Var slice(const Var& x, int64_t begin, int64_t end);  // rows of the first axis
// x (..., C), index (R, E) i32 -> (..., E): y[n][c] = x[n][index[n mod R][c]], or `fill` where the index is
// -1
Var gather_columns(const Var& x, const Tensor& index, double fill = 0.0);
Var swap_axes(const Var& x, int64_t axis);  // exchanges axis and axis + 1

// --- diagonals: banded products, one diagonal at a time; a, b, x (G,K,T), offsets[c][g] for diagonal c ---
using Diagonals = std::vector<std::vector<int64_t>>;
// y[c][g][t] = sum over k of a[g][k][t] b[g][k][t + offsets[c][g]], zero outside [0, T) -> (C,G,T)
Var diagonal_products(const Var& a, const Var& b, const Diagonals& offsets);
// y[g][k][t] = sum over c of w[c][g][t] x[g][k][t + offsets[c][g]]; w (C,G,T) -> (G,K,T)
Var diagonal_sums(const Var& w, const Var& x, const Diagonals& offsets);

// --- attention: see autograd/attention.h ---
// Ragged batches: (B, T) is (N) below where the pattern has offsets.
// One joint softmax over window and global keys. qkv (B, T, 3, H, K) -> context (B, T, H, K).
Var window_attention(const Var& qkv, const AttentionPattern& pattern, const RelativeTerm* relative = nullptr);
// The same of separate q, k, v (B, T, H, K).
Var window_attention(const Var& q, const Var& k, const Var& v, const AttentionPattern& pattern,
                     const RelativeTerm* relative = nullptr);
// context (B, T, H, K) with the rows of the pattern's M global tokens replaced by dense attention of
// q (M, H, K), in the order of the pattern's list, to all valid keys k, v (B, T, H, K).
Var global_attention(const Var& context, const Var& q, const Var& k, const Var& v,
                     const AttentionPattern& pattern);
// Every query sees all valid keys of its sequence, or those up to its position: q (M, H, K), k, v (N, H, K)
// -> (M, H, K).
Var dense_attention(const Var& q, const Var& k, const Var& v, const DensePattern& pattern);

}  // namespace lf
