// Every kernel of the ground floor, declared once: the menu. Shapes are in comments; all tensors are contiguous.
// A family NAME is core/kernels/NAME.cpp (namespace cpu) and, where there is CUDA, NAME.cu (namespace cuda).
// Shape letters: B batch, T tokens, D width, H heads, K head width, V vocabulary, N rows, I inputs, O outputs.
#pragma once

#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace lf::kernels {

// --- elementwise: x, y of one shape and one floating dtype -----------------------------------------------------------
void add(const Tensor& a, const Tensor& b, Tensor& y);                  // y = a + b
void accumulate(const Tensor& x, Tensor& sum);                          // sum += x
void scale(const Tensor& x, double factor, Tensor& y);                  // y = factor x
void multiply(const Tensor& a, const Tensor& b, Tensor& y);             // y = a b

// --- activation: dropout keeps an element with probability 1 - p and scales it by 1 / (1 - p) ------------------------
void dropout(const Tensor& x, const Dropout& drop, Tensor& y);          // also its own gradient
void add_dropout(const Tensor& residual, const Tensor& x, const Dropout& drop, Tensor& y);  // residual + dropout(x)
void gelu_dropout(const Tensor& x, const Dropout& drop, Tensor& y);     // dropout(x Phi(x)), Phi the normal CDF
void gelu_dropout_backward(const Tensor& x, const Dropout& drop, const Tensor& dy, Tensor& dx);

// --- linear: x (N,I), weight (O,I), bias (O) or undefined, y (N,O) ---------------------------------------------------
void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y);         // x weight^T + bias
void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx);            // dy weight
void linear_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight);           // dy^T x
void column_sums(const Tensor& dy, Tensor& sums);                       // dy (N,O) -> sums (O) f32 (f64 for f64)

// --- layer_norm: x, y (N,D); gamma, beta (D) f32 (f64 for f64); mean, rstd (N) likewise ------------------------------
void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y, Tensor& mean,
                Tensor& rstd);
void layer_norm_backward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta);

// --- embedding: table (V,D) f32 or f64, ids (N) i32, y (N,D); y = factor table[ids] ----------------------------------
void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y);
void embedding_backward(const Tensor& ids, double factor, const Tensor& dy, Tensor& dtable);  // dtable is overwritten

// --- cross_entropy: logits (N,V), targets (N) i32, -1 ignored; losses (N) in nats, lse (N), both f32 (f64 for f64) ---
void cross_entropy(const Tensor& logits, const Tensor& targets, Tensor& losses, Tensor& lse);
void cross_entropy_backward(const Tensor& logits, const Tensor& targets, const Tensor& lse, const Tensor& dlosses,
                            Tensor& dlogits);
double sum(const Tensor& x);                                            // every element, in a fixed order

// --- matmul: a (G,M,K) or (G,K,M) transposed, b (G,K,N) or (G,N,K) transposed, y (G,M,N), one dtype ------------------
void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y);

// --- softmax over the last axis: x, y (N,C); a row of -inf only gives zeros -----------------------------------------
void softmax(const Tensor& x, Tensor& y);
void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx);   // dx = y (dy - <dy, y>)

// --- gather: index i32, -1 means "nothing there" ---------------------------------------------------------------------
// y[n][c] = x[n][index[n mod R][c]] or `fill`; x (N,C), index (R,E), y (N,E), R divides N.
void gather_columns(const Tensor& x, const Tensor& index, double fill, Tensor& y);
void gather_columns_backward(const Tensor& index, const Tensor& dy, Tensor& dx);  // dx is overwritten
// y[a][c][b] = x[a][b][c] with a row of `inner` elements moved at a time; x (A,B,C,inner), y (A,C,B,inner).
void swap_axes(const Tensor& x, int64_t A, int64_t B, int64_t C, int64_t inner, Tensor& y);

// --- adamw: flat blocks of one length --------------------------------------------------------------------------------
struct AdamW {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  int64_t step = 1;               // counts from 1: the bias correction's exponent
  double gradient_scale = 1.0;    // clipping, applied on the way in
};
// Loshchilov & Hutter 2019: decoupled weight decay. All tensors f32.
void adamw(const AdamW& settings, const Tensor& gradient, Tensor& parameter, Tensor& first, Tensor& second);
double sum_of_squares(const Tensor& x);  // in f64, in a fixed order; NaN or inf if any element is

}  // namespace lf::kernels
