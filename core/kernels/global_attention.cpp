// Dense attention of the global tokens: plain loops, parallel over heads.
#include "core/kernels/global_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels/window_attention_plan.h"

namespace lf {
namespace {

template <class F>
F keep_factor(const WindowAttentionShape& shape, int64_t b, int64_t h, int64_t i, int64_t j) {
  if (!shape.dropout.active()) return 1;
  const int64_t total = shape.total_tokens == 0 ? shape.T : shape.total_tokens;
  const int64_t row = ((shape.first_row + b) * shape.H + h) * total + shape.first_token + i;
  const auto element = static_cast<uint64_t>(row * total + shape.first_token + j);
  const bool kept = dropout_bits(philox(shape.dropout.key, element / 8), element) >=
                    dropout_threshold(shape.dropout.probability);
  return kept ? F(1.0 / (1.0 - shape.dropout.probability)) : F(0);
}

template <class F, class Element>
F dot(const Element* a, const Element* b, int64_t K) {
  F sum = 0;
  for (int64_t c = 0; c < K; ++c) sum += F(a[c]) * F(b[c]);
  return sum;
}

}  // namespace

template <class Element>
void global_attention_forward(const WindowAttentionShape& shape, const Element* q, TokenView<const Element> k,
                              TokenView<const Element> v, TokenView<Element> context,
                              Accumulator<Element>* lse) {
  using F = Accumulator<Element>;
  const AttentionPlan plan(shape);
  const int64_t T = shape.T, H = shape.H, K = shape.K;
  if (shape.global_offsets == nullptr) return;
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < shape.B * H; ++row) {
    const int64_t b = row / H, h = row % H;
    std::vector<F> p(T), sum_v(K);
    for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n) {
      const int64_t i = shape.global_positions[n];
      F highest = -std::numeric_limits<F>::infinity(), sum = 0;
      std::fill(sum_v.begin(), sum_v.end(), F(0));
      if (plan.kind(b, i) == TokenKind::global) {
        for (int64_t j = 0; j < T; ++j) {
          if (plan.kind(b, j) == TokenKind::padded) continue;
          p[j] = F(shape.scale) * dot<F>(q + (n * H + h) * K, k.row(b, j, h * K), K);
          highest = std::max(highest, p[j]);
        }
        for (int64_t j = 0; j < T; ++j) {
          if (plan.kind(b, j) == TokenKind::padded) continue;
          const F e = std::exp(p[j] - highest), kept = e * keep_factor<F>(shape, b, h, i, j);
          sum += e;
          for (int64_t c = 0; c < K; ++c) sum_v[c] += kept * F(v.row(b, j, h * K)[c]);
        }
      }
      lse[n * H + h] = sum > 0 ? highest + std::log(sum) : -std::numeric_limits<F>::infinity();
      for (int64_t c = 0; c < K; ++c) context.row(b, i, h * K)[c] = Element(sum > 0 ? sum_v[c] / sum : F(0));
    }
  }
}

template <class Element>
void global_attention_backward(const WindowAttentionShape& shape, const Element* q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               TokenView<const Element> context, const Accumulator<Element>* lse,
                               TokenView<const Element> dcontext, Element* dq, TokenView<Element> dk,
                               TokenView<Element> dv) {
  using F = Accumulator<Element>;
  const AttentionPlan plan(shape);
  const int64_t T = shape.T, H = shape.H, K = shape.K;
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < shape.B * H; ++row) {
    const int64_t b = row / H, h = row % H;
    std::vector<F> sum_dk(T * K), sum_dv(T * K), sum_dq(K);
    const int64_t first = shape.global_offsets == nullptr ? 0 : shape.global_offsets[b];
    const int64_t end = shape.global_offsets == nullptr ? 0 : shape.global_offsets[b + 1];
    for (int64_t n = first; n < end; ++n) {
      const int64_t i = shape.global_positions[n];
      const Element* const gradient = dcontext.row(b, i, h * K);
      const bool active = plan.kind(b, i) == TokenKind::global;
      const F delta = active ? dot<F>(gradient, context.row(b, i, h * K), K) : F(0);
      std::fill(sum_dq.begin(), sum_dq.end(), F(0));
      for (int64_t j = 0; j < T && active; ++j) {
        if (plan.kind(b, j) == TokenKind::padded) continue;
        const Element* const query = q + (n * H + h) * K;
        const F p = std::exp(F(shape.scale) * dot<F>(query, k.row(b, j, h * K), K) - lse[n * H + h]);
        const F keep = keep_factor<F>(shape, b, h, i, j);
        const F ds = F(shape.scale) * p * (dot<F>(gradient, v.row(b, j, h * K), K) * keep - delta);
        for (int64_t c = 0; c < K; ++c) {
          sum_dq[c] += ds * F(k.row(b, j, h * K)[c]);
          sum_dk[j * K + c] += ds * F(query[c]);
          sum_dv[j * K + c] += p * keep * F(gradient[c]);
        }
      }
      for (int64_t c = 0; c < K; ++c) dq[(n * H + h) * K + c] = Element(sum_dq[c]);
    }
    for (int64_t j = 0; j < T; ++j) {
      for (int64_t c = 0; c < K; ++c) dk.row(b, j, h * K)[c] = Element(sum_dk[j * K + c]);
      for (int64_t c = 0; c < K; ++c) dv.row(b, j, h * K)[c] = Element(sum_dv[j * K + c]);
    }
  }
}

#define LF_INSTANTIATE(Element)                                                                        \
  template void global_attention_forward(const WindowAttentionShape&, const Element*,                  \
                                         TokenView<const Element>, TokenView<const Element>,           \
                                         TokenView<Element>, Accumulator<Element>*);                   \
  template void global_attention_backward(                                                             \
      const WindowAttentionShape&, const Element*, TokenView<const Element>, TokenView<const Element>, \
      TokenView<const Element>, const Accumulator<Element>*, TokenView<const Element>, Element*,       \
      TokenView<Element>, TokenView<Element>);
LF_INSTANTIATE(float)
LF_INSTANTIATE(double)
LF_INSTANTIATE(bf16)
#undef LF_INSTANTIATE

}  // namespace lf
