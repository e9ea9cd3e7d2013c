// Global tokens of sequences that are cut over ranks. Every rank computes all global queries' attention to
// the keys of its slices; with the ranks' log-sum-exps, the rank that holds the token combines
//   lse = log sum_r exp(lse_r),   context = sum_r exp(lse_r - lse) context_r.
// Backward needs the gradient, the context and the lse of a row, whole, on all ranks: P = exp(score - lse).
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "autograd/attention.h"
#include "autograd/row_exchange.h"
#include "autograd/sliced_attention.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

using kernels::AttentionCall;
using kernels::DenseCall;

// Global queries [query, query + queries) and keys [key, key + keys), of sequences whose slices begin at the
// same token: one call of the kernel.
struct GlobalPart {
  int64_t first_token = 0, query = 0, queries = 0, key = 0, keys = 0;
  DenseCall call{};
};

class SlicedGlobals {
 public:
  SlicedGlobals(std::shared_ptr<const SequenceSlices> slices, AttentionCall call)
      : slices_(std::move(slices)),
        call_(std::move(call)),
        rank_(slices_->ranks->rank()),
        all_(call_.globals),
        to_all_(slices_->ranks, wanted_by_all(), own_globals()),
        to_owners_(slices_->ranks, wanted_by_owners(), call_.global_tokens()) {
    call_.globals = std::make_shared<const GlobalTokens>(slices_->globals_of(rank_, *all_));
  }

  // The global tokens of this rank's slices, as the kernels know them.
  const AttentionCall& own() const { return call_; }
  // From the ranks that hold a global token to all, in the order of the list.
  const RowExchange& to_all() const { return to_all_; }
  // What every rank has of a global token, to the rank that holds it: (ranks M, ...), rank by rank.
  const RowExchange& to_owners() const { return to_owners_; }
  int ranks() const { return slices_->ranks->size(); }

  // mask (M) u8: of all global tokens; undefined: none is padded.
  std::vector<GlobalPart> parts(const Tensor& mask) const {
    std::vector<GlobalPart> result;
    for (int64_t b = 0; b < slices_->sequences(); ++b) {
      const int64_t first = slices_->begin(b, rank_);
      if (result.empty() || result.back().first_token != first) result.push_back(begin_part(b, first));
      add_sequence(result.back(), b, mask);
    }
    return result;
  }

 private:
  int64_t own_globals() const {
    return static_cast<int64_t>(slices_->globals_of(rank_, *all_).positions.size());
  }

  // Calls f(n, owner, row): global token n is the owner's row `row`.
  void for_each_global(auto&& f) const {
    std::vector<int64_t> rows(static_cast<size_t>(ranks()));
    for (int64_t b = 0; b < slices_->sequences(); ++b) {
      const auto i = static_cast<size_t>(b);
      for (int64_t n = all_->offsets[i]; n < all_->offsets[i + 1]; ++n) {
        const int owner = slices_->owner(b, all_->positions[static_cast<size_t>(n)]);
        f(n, owner, rows[static_cast<size_t>(owner)]++);
      }
    }
  }
  std::vector<WantedRows> wanted_by_all() const {
    WantedRows wanted;
    for_each_global([&](int64_t, int owner, int64_t row) { wanted.add(owner, row, 1); });
    return std::vector<WantedRows>(static_cast<size_t>(ranks()), wanted);
  }
  std::vector<WantedRows> wanted_by_owners() const {
    std::vector<WantedRows> wanted(static_cast<size_t>(ranks()));
    for (int from = 0; from < ranks(); ++from) {
      for_each_global(
          [&](int64_t n, int owner, int64_t) { wanted[static_cast<size_t>(owner)].add(from, n, 1); });
    }
    return wanted;
  }

  GlobalPart begin_part(int64_t b, int64_t first) const {
    GlobalPart part{.first_token = first,
                    .query = all_->offsets[static_cast<size_t>(b)],
                    .key = call_.begin(b),
                    .call = {.query_offsets = {0}, .key_offsets = {0}, .scale = call_.scale}};
    part.call.dropout = call_.dropout;
    part.call.first_row = call_.first_row + b, part.call.first_key = first;
    part.call.total_queries = part.call.total_keys = slices_->longest();
    part.call.mask = call_.mask;
    return part;
  }
  void add_sequence(GlobalPart& part, int64_t b, const Tensor& mask) const {
    const auto i = static_cast<size_t>(b);
    for (int64_t n = all_->offsets[i]; n < all_->offsets[i + 1]; ++n) {
      const bool padded = mask.defined() && mask.data<uint8_t>()[n] == 0;
      part.call.positions.push_back(padded ? -1 : all_->positions[static_cast<size_t>(n)]);
    }
    part.queries = all_->offsets[i + 1] - part.query, part.keys = call_.begin(b + 1) - part.key;
    part.call.query_offsets.push_back(part.queries), part.call.key_offsets.push_back(part.keys);
    if (call_.mask.defined())
      part.call.mask = call_.mask.view({call_.tokens()}).slice(part.key, part.key + part.keys);
  }

  std::shared_ptr<const SequenceSlices> slices_;
  AttentionCall call_;
  int rank_;
  std::shared_ptr<const GlobalTokens> all_;
  RowExchange to_all_, to_owners_;
};

// A part's rows of a tensor that has one for each global query, or key.
Tensor queries_of(const GlobalPart& part, const Tensor& x) {
  return x.slice(part.query, part.query + part.queries);
}
Tensor keys_of(const GlobalPart& part, const Tensor& x) { return x.slice(part.key, part.key + part.keys); }

struct Combined {
  Tensor context, lse;  // (M, H, K), (M, H)
};

// contexts (R M, H, K) and lses (R M, H) of R ranks, one rank's behind the other; a few rows, in CPU memory.
template <class T>
Combined combine_as(const Tensor& contexts, const Tensor& lses, int64_t R) {
  using A = Accumulator<T>;
  const int64_t M = contexts.dim(0) / R, H = contexts.dim(1), K = contexts.dim(2);
  Combined y{Tensor::zeros({M, H, K}, contexts.dtype()), Tensor::empty({M, H}, lses.dtype())};
  for (int64_t row = 0; row < M * H; ++row) {
    const auto lse_of = [&](int64_t r) { return lses.data<A>()[r * M * H + row]; };
    A most = -std::numeric_limits<A>::infinity(), sum = 0;
    for (int64_t r = 0; r < R; ++r)
      if (std::isnan(lse_of(r)) || lse_of(r) > most) most = lse_of(r);
    A& lse = y.lse.data<A>()[row] = most;
    if (most == -std::numeric_limits<A>::infinity()) continue;  // padded, or no key on any rank
    for (int64_t r = 0; r < R; ++r) sum += std::exp(lse_of(r) - most);
    lse = most + std::log(sum);
    for (int64_t c = 0; c < K; ++c) {
      A total = 0;
      for (int64_t r = 0; r < R; ++r)
        total += std::exp(lse_of(r) - lse) * static_cast<A>(contexts.data<T>()[(r * M * H + row) * K + c]);
      y.context.data<T>()[row * K + c] = static_cast<T>(total);
    }
  }
  return y;
}

Combined combine(const Tensor& contexts, const Tensor& lses, int64_t R) {
  const Tensor on_host = contexts.to(Device::cpu), lses_on_host = lses.to(Device::cpu);
  Combined y;
  visit_float(contexts.dtype(), [&]<class T>() { y = combine_as<T>(on_host, lses_on_host, R); });
  return {y.context.to(contexts.device()), y.lse.to(contexts.device())};
}

// Every global query's attention to this rank's keys.
Combined attend_own_keys(const std::vector<GlobalPart>& parts, const Tensor& q, const Tensor& k,
                         const Tensor& v) {
  const Combined y{Tensor::like(q), sums_like({q.dim(0), q.dim(1)}, q)};
  for (const GlobalPart& part : parts) {
    Tensor context = queries_of(part, y.context), lse = queries_of(part, y.lse);
    kernels::dense_attention(part.call, queries_of(part, q), keys_of(part, k), keys_of(part, v), context,
                             lse);
  }
  return y;
}

}  // namespace

Var sliced_global_attention(const Var& context, const Var& q, const Var& k, const Var& v,
                            const AttentionCall& call, const std::shared_ptr<const SequenceSlices>& slices) {
  const auto globals = std::make_shared<const SlicedGlobals>(slices, call);
  const AttentionCall& own = globals->own();
  const Shape shape = context.shape(), rows{call.tokens(), shape[-2], shape[-1]};
  const Shape listed{own.global_tokens(), rows[1], rows[2]};
  CHECK(q.shape() == listed && k.shape() == shape && v.shape() == shape, "global_attention: q, k, v are ",
        q.shape(), ", ", k.shape(), ", ", v.shape(), "; needed ", listed,
        " of the slices' global tokens and twice ", shape);
  std::vector<Tensor> sent{q.value()};
  if (call.mask.defined()) {
    Tensor padded = Tensor::empty({own.global_tokens()}, DType::u8);
    kernels::take_global_rows(own, call.mask.view({call.tokens()}), padded);
    sent.push_back(padded);
  }
  const std::vector<Tensor> of_all = globals->to_all().fetch(sent);
  const std::vector<GlobalPart> parts = globals->parts(call.mask.defined() ? of_all[1] : Tensor());
  const Tensor keys = k.value().view(rows), values = v.value().view(rows);
  const Combined partial = attend_own_keys(parts, of_all[0], keys, values);
  const std::vector<Tensor> of_ranks = globals->to_owners().fetch({partial.context, partial.lse});
  const Combined whole = combine(of_ranks[0], of_ranks[1], globals->ranks());
  Tensor y = context.value().clone().view(rows);
  kernels::put_global_rows(own, whole.context, y);
  return tape().record(
      "global_attention", y.view(shape), {context, q, k, v},
      [globals, parts, queries = of_all[0], keys, values, whole, shape, rows](const Tensor& dy) {
        Tensor dcontext = dy.clone().view(rows), drows = Tensor::like(whole.context);
        kernels::take_global_rows(globals->own(), dcontext, drows);
        kernels::clear_global_rows(globals->own(), dcontext);
        const std::vector<Tensor> of_rows = globals->to_all().fetch({drows, whole.context, whole.lse});
        Tensor dq = Tensor::like(queries), dk = Tensor::zeros_like(keys), dv = Tensor::zeros_like(keys);
        for (const GlobalPart& part : parts) {
          Tensor part_dq = queries_of(part, dq), part_dk = keys_of(part, dk), part_dv = keys_of(part, dv);
          kernels::dense_attention_backward(part.call, queries_of(part, queries), keys_of(part, keys),
                                            keys_of(part, values), queries_of(part, of_rows[1]),
                                            queries_of(part, of_rows[2]), queries_of(part, of_rows[0]),
                                            part_dq, part_dk, part_dv);
        }
        return std::vector{dcontext.view(shape), globals->to_all().give_back({dq})[0], dk.view(shape),
                           dv.view(shape)};
      });
}

}  // namespace lf
