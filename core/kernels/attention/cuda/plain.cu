#include "core/cuda/rows.h"
#include "core/kernels/attention/cuda/plain.h"

#include <cmath>
#include <limits>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::row_of_warp;
using lf::cuda::warp_max;
using lf::cuda::warp_of_block;
using lf::cuda::warp_sum;

constexpr int kThreads = 128, kWarps = kThreads / kWarp;

__device__ int64_t warp_index() { return row_of_warp<kThreads>(); }

// A query: token `token` of sequence b, row `row` of q, context and their gradients; `slot` is its place in
// lse.
struct Query {
  int b, token;
  int64_t row, slot;
  bool live;
};
struct Partner {
  int token;
  bool seen, global;
};

template <class T>
__device__ Query listed_query(const PlainAttention<T>& c, int h, int b, int64_t n) {
  const int at = static_cast<int>(n - c.shape.first_global(b));
  const int token = c.shape.global_positions ? c.shape.global_positions[n] : at;
  return {b, token, n, n * c.shape.H + h, token >= 0};
}
template <class T>
__device__ Query token_query(const PlainAttention<T>& c, int h, int b, int t) {
  return {b, t, c.shape.row(b, t), c.shape.slot(b, h, t), c.shape.is_query(b, t)};
}
template <class T>
__device__ Query query_at(const PlainAttention<T>& c, int h, int64_t row) {
  int b = 0;
  if (!c.dense) {
    b = c.shape.sequence_of(row);
    return token_query(c, h, b, static_cast<int>(row - c.shape.base(b)));
  }
  while (c.shape.global_offsets[b + 1] <= row) ++b;
  return listed_query(c, h, b, row);
}
template <class T>
__device__ const T* query_row(const PlainAttention<T>& c, TokenView<const T> q, const Query& query, int h) {
  return q.row(query.row, int64_t{h} * c.shape.K);
}

// The keys of a query: those of its window, step `first` on, then the global ones.
struct Keys {
  int D, first, band, count;
};
template <class T>
__device__ Keys keys_of(const PlainAttention<T>& c, const Query& query, int h) {
  const int length = c.shape.length(query.b);
  if (c.dense) {
    const int count = c.shape.causal && query.token + 1 < length ? query.token + 1 : length;
    return {1, -query.token, count, count};
  }
  const int D = c.shape.dilation(h), before = query.token / D, after = (length - 1 - query.token) / D;
  const int first = -(before < c.shape.left ? before : c.shape.left);
  const int band = (after < c.shape.right ? after : c.shape.right) - first + 1;
  return {D, first, band, band + c.shape.globals(query.b)};
}
template <class T>
__device__ Partner key_at(const PlainAttention<T>& c, const Query& query, const Keys& keys, int n) {
  if (n >= keys.count) return {0, false, false};
  if (n >= keys.band) {
    const int token = c.shape.global_positions[c.shape.first_global(query.b) + n - keys.band];
    return {token, c.shape.kind(query.b, token) == TokenKind::global, true};
  }
  const int token = query.token + (keys.first + n) * keys.D;
  const TokenKind kind = c.shape.kind(query.b, token);
  return {token, c.dense ? kind != TokenKind::padded : kind == TokenKind::local, false};
}

template <class T>
__device__ Accumulator<T> score(const PlainAttention<T>& c, const Query& query, int h, int key, bool global) {
  using A = Accumulator<T>;
  const int K = c.shape.K;
  const T* const q = query_row(c, c.q, query, h);
  const T* const k = c.k.row(c.shape.row(query.b, key), int64_t{h} * K);
  A sum = 0;
  if (!c.r) {
    for (int i = 0; i < K; ++i) sum += static_cast<A>(q[i]) * static_cast<A>(k[i]);
    return static_cast<A>(c.shape.scale) * sum;
  }
  const A* const u = c.u + int64_t{h} * K;
  const A* const v = c.v_bias + int64_t{h} * K;
  for (int i = 0; i < K; ++i) sum += (static_cast<A>(q[i]) + u[i]) * static_cast<A>(k[i]);
  if (!global) {
    const T* const r = c.r + ((c.zero_row + query.token - key) * c.shape.H + h) * K;
    for (int i = 0; i < K; ++i) sum += (static_cast<A>(q[i]) + v[i]) * static_cast<A>(r[i]);
  }
  return static_cast<A>(c.shape.scale) * sum;
}

template <class T>
__device__ Accumulator<T> keep_factor(const PlainAttention<T>& c, const Query& query, int h, int key) {
  if (c.shape.dropout_threshold == 0) return 1;
  const int place = c.shape.dropout_place(query.b, key);
  const uint64_t element = c.shape.dropout_row(query.b, h, query.token) + static_cast<uint64_t>(place);
  return c.shape.keeps(element) ? static_cast<Accumulator<T>>(c.shape.kept) : 0;
}

// P times its dropout factor, and dS before the factor `scale`, of one pair.
template <class A>
struct PairGradients {
  A probability, score;
};
template <class T>
__device__ PairGradients<Accumulator<T>> pair_gradients(const PlainAttention<T>& c, const Query& query, int h,
                                                        int key, bool global) {
  using A = Accumulator<T>;
  const int K = c.shape.K;
  const A p = std::exp(score(c, query, h, key, global) - c.lse[query.slot]);
  const T* const dcontext = c.dcontext.row(query.row, int64_t{h} * K);
  const T* const v = c.v.row(c.shape.row(query.b, key), int64_t{h} * K);
  A dp = 0;
  for (int i = 0; i < K; ++i) dp += static_cast<A>(dcontext[i]) * static_cast<A>(v[i]);
  const A keep = keep_factor(c, query, h, key);
  return {p * keep, p * (dp * keep - c.delta[query.slot])};
}

// A warp's shared memory: two sums over the head's width, and what its lanes hand to each other.
template <class A>
struct WarpMemory {
  A* sums;
  A* more_sums;
  A* weights;
  A* more_weights;
  int64_t* partners;

  static __device__ WarpMemory of_this_warp(int K) {
    auto* const base = reinterpret_cast<A*>(lf::cuda::shared_memory());
    auto* const mine = base + warp_of_block() * (2 * K + 2 * kWarp);
    auto* const partners = reinterpret_cast<int64_t*>(base + kWarps * (2 * K + 2 * kWarp));
    return {mine, mine + K, mine + 2 * K, mine + 2 * K + kWarp, partners + warp_of_block() * kWarp};
  }
  static int64_t bytes(int64_t K) {
    return kWarps * ((2 * K + 2 * kWarp) * int64_t{sizeof(A)} + kWarp * int64_t{sizeof(int64_t)});
  }
};

// sums[i] += weights[n] rows(partners[n])[i] for all n, lanes over i.
template <class A, class Rows>
__device__ void add_rows(const A* weights, const int64_t* partners, A* sums, int K, Rows&& value) {
  __syncwarp();
  for (int i = lane_of_warp(); i < K; i += kWarp) {
    A sum = sums[i];
    for (int n = 0; n < kWarp; ++n) {
      if (weights[n] != 0) sum += weights[n] * value(partners[n], i);
    }
    sums[i] = sum;
  }
  __syncwarp();
}

template <class T>
__global__ void forward_kernel(PlainAttention<T> c, TokenView<T> context, Accumulator<T>* lse) {
  using A = Accumulator<T>;
  if (warp_index() >= c.queries * c.shape.H) return;
  const int h = static_cast<int>(warp_index() % c.shape.H), lane = lane_of_warp(), K = c.shape.K;
  const Query query = query_at(c, h, warp_index() / c.shape.H);
  const WarpMemory<A> memory = WarpMemory<A>::of_this_warp(K);
  const Keys keys = keys_of(c, query, h);
  const int count = query.live ? keys.count : 0;
  A maximum = -std::numeric_limits<A>::infinity();
  for (int n = lane; n < count; n += kWarp) {
    const Partner key = key_at(c, query, keys, n);
    if (key.seen) maximum = std::fmax(maximum, score(c, query, h, key.token, key.global));
  }
  maximum = warp_max(maximum);
  for (int i = lane; i < K; i += kWarp) memory.sums[i] = 0;
  A sum = 0;
  for (int n = lane; n < count + lane; n += kWarp) {
    const Partner key = key_at(c, query, keys, n);
    const A e = key.seen ? std::exp(score(c, query, h, key.token, key.global) - maximum) : A(0);
    sum += e;
    memory.weights[lane] = key.seen ? e * keep_factor(c, query, h, key.token) : A(0);
    memory.partners[lane] = c.shape.row(query.b, key.token);
    add_rows(memory.weights, memory.partners, memory.sums, K,
             [&](int64_t row, int i) { return static_cast<A>(c.v.row(row, int64_t{h} * K)[i]); });
  }
  sum = warp_sum(sum);
  T* const to = context.row(query.row, int64_t{h} * K);
  for (int i = lane; i < K; i += kWarp) to[i] = static_cast<T>(sum != 0 ? memory.sums[i] / sum : A(0));
  if (lane == 0) lse[query.slot] = sum != 0 ? maximum + std::log(sum) : -std::numeric_limits<A>::infinity();
}

template <class T>
__global__ void query_gradient_kernel(PlainAttention<T> c, TokenView<T> dq) {
  using A = Accumulator<T>;
  if (warp_index() >= c.queries * c.shape.H) return;
  const int h = static_cast<int>(warp_index() % c.shape.H), lane = lane_of_warp(), K = c.shape.K;
  const Query query = query_at(c, h, warp_index() / c.shape.H);
  const WarpMemory<A> memory = WarpMemory<A>::of_this_warp(K);
  const bool live = query.live && c.lse[query.slot] != -std::numeric_limits<A>::infinity();
  A delta = 0;
  for (int i = lane; i < K; i += kWarp) {
    memory.sums[i] = 0;
    if (live)
      delta += static_cast<A>(c.context.row(query.row, int64_t{h} * K)[i]) *
               static_cast<A>(c.dcontext.row(query.row, int64_t{h} * K)[i]);
  }
  delta = warp_sum(delta);
  if (lane == 0) c.delta[query.slot] = delta;
  __syncwarp();
  const Keys keys = keys_of(c, query, h);
  const int count = live ? keys.count : 0;
  for (int n = lane; n < count + lane; n += kWarp) {
    const Partner key = key_at(c, query, keys, n);
    memory.weights[lane] = key.seen ? pair_gradients(c, query, h, key.token, key.global).score : A(0);
    memory.partners[lane] = c.shape.row(query.b, key.token);
    const bool relative = c.r && n - lane < keys.band;
    const int globals_from = keys.band - (n - lane);  // of this group of 32
    memory.more_weights[lane] = relative && lane < globals_from ? memory.weights[lane] : A(0);
    add_rows(memory.weights, memory.partners, memory.sums, K,
             [&](int64_t row, int i) { return static_cast<A>(c.k.row(row, int64_t{h} * K)[i]); });
    if (!relative) continue;
    add_rows(memory.more_weights, memory.partners, memory.sums, K, [&](int64_t row, int i) {
      return static_cast<A>(c.r[((c.zero_row + query.row - row) * c.shape.H + h) * K + i]);
    });
  }
  T* const to = dq.row(query.row, int64_t{h} * K);
  for (int i = lane; i < K; i += kWarp)
    to[i] = static_cast<T>(static_cast<A>(c.shape.scale) * memory.sums[i]);
}

// The queries that may see key j: `count`, the n-th being token `first + n * D`, or the listed one.
struct Queries {
  int first, D, count;
};
template <class T>
__device__ Queries queries_of(const PlainAttention<T>& c, int b, int h, int j) {
  const TokenKind kind = c.shape.kind(b, j);
  const int length = c.shape.length(b);
  if (kind == TokenKind::padded) return {0, 1, 0};
  if (c.dense) return {c.shape.first_global(b), 1, c.shape.globals(b)};
  if (kind == TokenKind::global) return {0, 1, length};
  const int D = c.shape.dilation(h), before = j / D, after = (length - 1 - j) / D;
  const int first = before < c.shape.right ? before : c.shape.right;
  return {j - first * D, D, first + (after < c.shape.left ? after : c.shape.left) + 1};
}

template <class T>
__global__ void key_gradient_kernel(PlainAttention<T> c, TokenView<T> dk, TokenView<T> dv) {
  using A = Accumulator<T>;
  if (warp_index() >= int64_t{c.shape.N} * c.shape.H) return;
  const int h = static_cast<int>(warp_index() % c.shape.H), lane = lane_of_warp(), K = c.shape.K;
  const int64_t row = warp_index() / c.shape.H;
  const int b = c.shape.sequence_of(row), j = static_cast<int>(row - c.shape.base(b));
  const WarpMemory<A> memory = WarpMemory<A>::of_this_warp(K);
  for (int i = lane; i < K; i += kWarp) memory.sums[i] = memory.more_sums[i] = 0;
  const Queries queries = queries_of(c, b, h, j);
  const bool global = !c.dense && c.shape.kind(b, j) == TokenKind::global;
  A total = 0;
  for (int n = lane; n < queries.count + lane; n += kWarp) {
    PairGradients<A> pair{0, 0};
    memory.partners[lane] = 0;
    if (n < queries.count) {
      const int at = queries.first + n * queries.D;
      const Query query = c.dense ? listed_query(c, h, b, at) : token_query(c, h, b, at);
      const bool sees = query.live && (!c.shape.causal || query.token >= j);
      if (sees && c.lse[query.slot] != -std::numeric_limits<A>::infinity())
        pair = pair_gradients(c, query, h, j, global);
      memory.partners[lane] = query.row;
    }
    total += pair.score;
    memory.weights[lane] = pair.score;
    memory.more_weights[lane] = pair.probability;
    add_rows(memory.weights, memory.partners, memory.sums, K, [&](int64_t at, int i) {
      const A bias = c.r ? c.u[int64_t{h} * K + i] : A(0);
      return static_cast<A>(c.q.row(at, int64_t{h} * K)[i]) + bias;
    });
    add_rows(memory.more_weights, memory.partners, memory.more_sums, K,
             [&](int64_t at, int i) { return static_cast<A>(c.dcontext.row(at, int64_t{h} * K)[i]); });
  }
  total = warp_sum(total);
  const auto scale = static_cast<A>(c.shape.scale);
  for (int i = lane; i < K; i += kWarp) {
    dk.row(row, int64_t{h} * K)[i] = static_cast<T>(scale * memory.sums[i]);
    dv.row(row, int64_t{h} * K)[i] = static_cast<T>(memory.more_sums[i]);
  }
  if (c.key_sums && lane == 0) c.key_sums[c.shape.slot(b, h, j)] = scale * total;
}

// One distance of one head: sums over all pairs that are so far apart.
template <class T>
__global__ void distance_gradient_kernel(PlainAttention<T> c, T* dr) {
  using A = Accumulator<T>;
  if (warp_index() >= c.rows * c.shape.H) return;
  const int h = static_cast<int>(warp_index() % c.shape.H), lane = lane_of_warp(), K = c.shape.K;
  const int64_t row = warp_index() / c.shape.H, distance = row - c.zero_row;
  const WarpMemory<A> memory = WarpMemory<A>::of_this_warp(K);
  for (int i = lane; i < K; i += kWarp) memory.sums[i] = 0;
  const int D = c.shape.dilation(h);
  const bool used = distance % D == 0 && distance / D <= c.shape.left && distance / D >= -c.shape.right &&
                    distance < c.shape.T && -distance < c.shape.T;
  const int64_t count = used ? c.shape.N : 0;
  A total = 0;
  for (int64_t n = lane; n < count + lane; n += kWarp) {
    A gradient = 0;
    if (n < count) {
      const int b = c.shape.sequence_of(n), i = static_cast<int>(n - c.shape.base(b));
      const int64_t j = i - distance;
      if (j >= 0 && j < c.shape.length(b) && c.shape.kind(n - distance) == TokenKind::local) {
        const Query query = token_query(c, h, b, i);
        if (query.live) gradient = pair_gradients(c, query, h, static_cast<int>(j), false).score;
      }
    }
    total += gradient;
    memory.weights[lane] = gradient;
    memory.partners[lane] = n;
    add_rows(memory.weights, memory.partners, memory.sums, K, [&](int64_t at, int k) {
      return static_cast<A>(c.q.row(at, int64_t{h} * K)[k]) + c.v_bias[int64_t{h} * K + k];
    });
  }
  total = warp_sum(total);
  const auto scale = static_cast<A>(c.shape.scale);
  for (int i = lane; i < K; i += kWarp) dr[warp_index() * K + i] = static_cast<T>(scale * memory.sums[i]);
  if (lane == 0) c.distance_sums[warp_index()] = scale * total;
}

template <class... Parameters, class... Arguments>
void launch_warps(void (*kernel)(Parameters...), int64_t warps, int64_t bytes,
                  const Arguments&... arguments) {
  launch(kernel, {blocks_for_rows<kThreads>(warps)}, kThreads, bytes, arguments...);
}

}  // namespace

template <class T>
void plain_forward(const PlainAttention<T>& call, TokenView<T> context, Accumulator<T>* lse) {
  launch_warps(forward_kernel<T>, call.queries * call.shape.H,
               WarpMemory<Accumulator<T>>::bytes(call.shape.K), call, context, lse);
}

template <class T>
void plain_backward_queries(const PlainAttention<T>& call, TokenView<T> dq) {
  launch_warps(query_gradient_kernel<T>, call.queries * call.shape.H,
               WarpMemory<Accumulator<T>>::bytes(call.shape.K), call, dq);
}

template <class T>
void plain_backward_keys(const PlainAttention<T>& call, TokenView<T> dk, TokenView<T> dv) {
  launch_warps(key_gradient_kernel<T>, int64_t{call.shape.N} * call.shape.H,
               WarpMemory<Accumulator<T>>::bytes(call.shape.K), call, dk, dv);
}

template <class T>
void plain_backward_distances(const PlainAttention<T>& call, T* dr) {
  launch_warps(distance_gradient_kernel<T>, call.rows * call.shape.H,
               WarpMemory<Accumulator<T>>::bytes(call.shape.K), call, dr);
}

#define LF_PLAIN_ATTENTION(T)                                                              \
  template void plain_forward(const PlainAttention<T>&, TokenView<T>, Accumulator<T>*);    \
  template void plain_backward_queries(const PlainAttention<T>&, TokenView<T>);            \
  template void plain_backward_keys(const PlainAttention<T>&, TokenView<T>, TokenView<T>); \
  template void plain_backward_distances(const PlainAttention<T>&, T*)
LF_PLAIN_ATTENTION(float);
LF_PLAIN_ATTENTION(double);
LF_PLAIN_ATTENTION(bf16);

}  // namespace lf::kernels::cuda
