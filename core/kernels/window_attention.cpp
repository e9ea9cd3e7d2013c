// Window attention, plain loops: one row at a time, parallel over (batch row, head).
#include "core/kernels/window_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "core/kernels/window_attention_plan.h"

namespace lf {
namespace {

template <class Element>
struct RowKeys {
  std::vector<int64_t> positions;
  std::vector<Accumulator<Element>> probability, keep;
};

template <class Element>
struct Call {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape;
  const AttentionPlan& plan;
  TokenView<const Element> q, k, v;
  const RelativePositions<Element>* relative;

  F score(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t K = shape.K;
    const bool with_r = relative != nullptr && plan.kind(b, j) != TokenKind::global;
    F sum = 0;
    for (int64_t c = 0; c < K; ++c) {
      const F x = F(q.row(b, i, h * K)[c]);
      sum += (relative != nullptr ? x + relative->u[h * K + c] : x) * F(k.row(b, j, h * K)[c]);
      if (with_r) sum += (x + relative->v[h * K + c]) * F(r_row(h, i, j)[c]);
    }
    return sum * F(shape.scale);
  }
  const Element* r_row(int64_t h, int64_t i, int64_t j) const {
    return relative->r + ((relative->zero_row + i - j) * shape.H + h) * shape.K;
  }
  F keep(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (!shape.dropout.active()) return 1;
    const int64_t total = shape.total_tokens == 0 ? shape.T : shape.total_tokens;
    const auto element = static_cast<uint64_t>(
        (((shape.first_row + b) * shape.H + h) * total + shape.first_token + i) * total + shape.first_token +
        j);
    const bool kept = dropout_bits(philox(shape.dropout.key, element / 8), element) >=
                      dropout_threshold(shape.dropout.probability);
    return kept ? F(1.0 / (1.0 - shape.dropout.probability)) : F(0);
  }
  std::vector<int64_t> keys(int64_t b, int64_t h, int64_t i) const {
    std::vector<int64_t> found;
    if (!plan.is_query(b, i)) return found;
    const int64_t D = plan.dilation(h);
    for (int64_t s = -std::min(shape.left, i / D); s <= std::min(shape.right, (shape.T - 1 - i) / D); ++s) {
      if (plan.kind(b, i + s * D) == TokenKind::local) found.push_back(i + s * D);
    }
    const auto globals = plan.valid_globals(b);
    found.insert(found.end(), globals.begin(), globals.end());
    return found;
  }
};

}  // namespace

template <class Element>
void window_attention_backward(const WindowAttentionShape& shape, TokenView<const Element> q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               const RelativePositions<Element>* relative, TokenView<const Element> context,
                               const Accumulator<Element>* lse, TokenView<const Element> dcontext,
                               TokenView<Element> dq, TokenView<Element> dk, TokenView<Element> dv,
                               const RelativeGradients<Element>* relative_gradients) {
  using F = Accumulator<Element>;
  const AttentionPlan plan(shape);
  const Call<Element> call{shape, plan, q, k, v, relative};
  const int64_t B = shape.B, T = shape.T, H = shape.H, K = shape.K;
  const int64_t rows = relative != nullptr ? relative->rows : 0;
#pragma omp parallel for schedule(dynamic)
  for (int64_t h = 0; h < H; ++h) {
    std::vector<F> du(K), dv_bias(K), dr(rows * K);
    for (int64_t b = 0; b < B; ++b) {
      std::vector<F> sum_dk(T * K), sum_dv(T * K), sum_dq(K);
      for (int64_t i = 0; i < T; ++i) {
        const auto keys = call.keys(b, h, i);
        std::fill(sum_dq.begin(), sum_dq.end(), F(0));
        F delta = 0;
        for (int64_t c = 0; c < K && !keys.empty(); ++c) {
          delta += F(dcontext.row(b, i, h * K)[c]) * F(context.row(b, i, h * K)[c]);
        }
        for (const int64_t j : keys) {
          const F p = std::exp(call.score(b, h, i, j) - lse[(b * H + h) * T + i]),
                  keep = call.keep(b, h, i, j);
          F dp = 0;
          for (int64_t c = 0; c < K; ++c) dp += F(dcontext.row(b, i, h * K)[c]) * F(v.row(b, j, h * K)[c]);
          const F ds = p * (dp * keep - delta) * F(shape.scale);
          const bool with_r = relative != nullptr && plan.kind(b, j) != TokenKind::global;
          for (int64_t c = 0; c < K; ++c) {
            const F x = F(q.row(b, i, h * K)[c]), y = F(k.row(b, j, h * K)[c]);
            sum_dq[c] += ds * y;
            sum_dk[j * K + c] += ds * (relative != nullptr ? x + relative->u[h * K + c] : x);
            sum_dv[j * K + c] += p * keep * F(dcontext.row(b, i, h * K)[c]);
            if (relative != nullptr) du[c] += ds * y;
            if (!with_r) continue;
            const F r = F(call.r_row(h, i, j)[c]);
            sum_dq[c] += ds * r;
            dv_bias[c] += ds * r;
            dr[(relative->zero_row + i - j) * K + c] += ds * (x + relative->v[h * K + c]);
          }
        }
        for (int64_t c = 0; c < K; ++c) dq.row(b, i, h * K)[c] = Element(sum_dq[c]);
      }
      for (int64_t j = 0; j < T; ++j) {
        for (int64_t c = 0; c < K; ++c) dk.row(b, j, h * K)[c] = Element(sum_dk[j * K + c]);
        for (int64_t c = 0; c < K; ++c) dv.row(b, j, h * K)[c] = Element(sum_dv[j * K + c]);
      }
    }
    for (int64_t c = 0; c < K && relative != nullptr; ++c) {
      relative_gradients->du[h * K + c] = du[c];
      relative_gradients->dv[h * K + c] = dv_bias[c];
      for (int64_t row = 0; row < rows; ++row)
        relative_gradients->dr[(row * H + h) * K + c] = Element(dr[row * K + c]);
    }
  }
}

#define LF_INSTANTIATE(Element)                                                                      \
  template void window_attention_backward(                                                           \
      const WindowAttentionShape&, TokenView<const Element>, TokenView<const Element>,               \
      TokenView<const Element>, const RelativePositions<Element>*, TokenView<const Element>,         \
      const Accumulator<Element>*, TokenView<const Element>, TokenView<Element>, TokenView<Element>, \
      TokenView<Element>, const RelativeGradients<Element>*);
LF_INSTANTIATE(float)
LF_INSTANTIATE(double)
LF_INSTANTIATE(bf16)
#undef LF_INSTANTIATE

}  // namespace lf
