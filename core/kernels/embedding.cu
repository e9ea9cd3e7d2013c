// The CUDA half of embedding.cpp. The gradient takes O(N + V) work and no atomics: a stable radix sort brings
// the positions of one id together, blocks add up equal stretches of the sorted list, however often an id
// occurs, and what a run of one id left in several stretches is added in their order.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/cuda/vectors.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::item_of_thread;
using lf::cuda::kAllLanes;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::row_of_warp;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kDigits = 256;  // of one pass of the sort, as many as a block has threads
constexpr int kRounds = 8;    // elements of a thread in one tile
constexpr int64_t kWarpTile = kWarp * kRounds;
constexpr int64_t kTile = kWarps * kWarpTile;

// y[n] = factor table[ids[n]], a warp to a row. An id outside the table shows as NaN: the device cannot
// throw.
template <class S, class T>
__global__ void look_up_kernel(const S* table, const int32_t* ids, Accumulator<T> factor, T* y, int64_t N,
                               int64_t D, int64_t V) {
  using A = Accumulator<T>;
  const int64_t n = row_of_warp<kThreads>();
  if (n >= N) return;
  const auto lane = lane_of_warp();
  const int64_t id = ids[n];
  if (id >= 0 && id < V) {
    lf::cuda::map_row(table + id * D, D, lane, kWarp, y + n * D,
                      [&](int64_t, Accumulator<S> value) { return factor * static_cast<A>(value); });
    return;
  }
  for (int64_t i = lane; i < D; i += kWarp)
    y[n * D + i] = static_cast<T>(std::numeric_limits<A>::quiet_NaN());
}

template <class S, class T>
void look_up(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  const int64_t N = ids.elements();
  launch(look_up_kernel<S, T>, {blocks_for_rows<kThreads>(N)}, kThreads, 0, table.device_data<S>(),
         ids.device_data<int32_t>(), static_cast<Accumulator<T>>(factor), y.device_data<T>(), N, table.dim(1),
         table.dim(0));
}

// Ids and the positions that they came from. Ids outside the table become V, behind all others.
struct Sorted {
  int32_t* ids;
  int32_t* positions;
};

__global__ void begin_sort_kernel(const int32_t* ids, Sorted to, int64_t N, int32_t V) {
  const int64_t n = item_of_thread();
  if (n >= N) return;
  to.ids[n] = ids[n] >= 0 && ids[n] < V ? ids[n] : V;
  to.positions[n] = static_cast<int32_t>(n);
}

// A warp's part of a tile: the digits of its elements, round by round, and how often each occurs before.
struct WarpTile {
  int64_t first;    // element of this lane in round 0
  int32_t* counts;  // (kDigits) of this warp, in shared memory

  // Calls f(element, digit, rank): rank counts the digit's earlier elements in this warp's part, plus
  // whatever `counts` began with.
  template <class F>
  __device__ void for_elements(const int32_t* ids, int64_t N, int shift, F&& f) const {
    const unsigned before_me = (1u << (threadIdx.x % kWarp)) - 1;
    for (int round = 0; round < kRounds; ++round) {
      const int64_t n = first + round * kWarp;
      const int digit = n < N ? ids[n] >> shift & (kDigits - 1) : kDigits;
      const unsigned same = __match_any_sync(kAllLanes, digit);
      int32_t base = 0;
      if (n < N) base = counts[digit];
      __syncwarp();
      if (n < N && (same & before_me) == 0) counts[digit] = base + __popc(same);
      __syncwarp();
      if (n < N) f(n, digit, base + __popc(same & before_me));
    }
  }
};

__device__ WarpTile start_tile() {
  const unsigned warp = threadIdx.x / kWarp;
  auto* counts = reinterpret_cast<int32_t*>(lf::cuda::shared_memory()) + warp * kDigits;
  for (int digit = lane_of_warp(); digit < kDigits; digit += kWarp) counts[digit] = 0;
  __syncwarp();
  return {int64_t{blockIdx.x} * kTile + warp * kWarpTile + threadIdx.x % kWarp, counts};
}

struct Nothing {
  __device__ void operator()(int64_t, int, int32_t) const {}
};

// counts[digit][tile] = how many of the tile's elements have the digit.
__global__ void count_kernel(const int32_t* ids, int64_t N, int shift, int32_t* counts) {
  start_tile().for_elements(ids, N, shift, Nothing());
  __syncthreads();
  const auto* of_warps = reinterpret_cast<const int32_t*>(lf::cuda::shared_memory());
  int32_t total = 0;
  for (int warp = 0; warp < kWarps; ++warp) total += of_warps[warp * kDigits + static_cast<int>(threadIdx.x)];
  counts[threadIdx.x * int64_t{gridDim.x} + blockIdx.x] = total;
}

// values[i] = the sum of all before it; one block, each thread a stretch.
__global__ void exclusive_sum_kernel(int32_t* values, int64_t count) {
  auto* of_warps = reinterpret_cast<int32_t*>(lf::cuda::shared_memory());
  const int64_t stretch = (count + kThreads - 1) / kThreads;
  const int64_t begin = threadIdx.x * stretch, end = begin + stretch < count ? begin + stretch : count;
  int32_t mine = 0;
  for (int64_t i = begin; i < end; ++i) mine += values[i];
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int32_t until = mine;  // of this warp's lanes up to this one
  for (unsigned step = 1; step < kWarp; step *= 2) {
    const int32_t other = __shfl_up_sync(kAllLanes, until, step);
    if (lane >= step) until += other;
  }
  if (lane == kWarp - 1) of_warps[warp] = until;
  __syncthreads();
  int32_t sum = until - mine;
  for (unsigned w = 0; w < warp; ++w) sum += of_warps[w];
  for (int64_t i = begin; i < end; ++i) {
    const int32_t value = values[i];
    values[i] = sum;
    sum += value;
  }
}

// Moves every element to where its digit begins, in the order in which they came.
__global__ void move_kernel(Sorted from, Sorted to, int64_t N, int shift, const int32_t* starts) {
  const WarpTile tile = start_tile();
  tile.for_elements(from.ids, N, shift, Nothing());
  __syncthreads();
  auto* of_warps = reinterpret_cast<int32_t*>(lf::cuda::shared_memory());
  int32_t start = starts[threadIdx.x * int64_t{gridDim.x} + blockIdx.x];
  for (int warp = 0; warp < kWarps; ++warp) {  // thread t owns digit t
    int32_t& count = of_warps[warp * kDigits + static_cast<int>(threadIdx.x)];
    const int32_t of_warp = count;
    count = start;
    start += of_warp;
  }
  __syncthreads();
  tile.for_elements(from.ids, N, shift, [&](int64_t n, int, int32_t rank) {
    to.ids[rank] = from.ids[n];
    to.positions[rank] = from.positions[n];
  });
}

// The buffers of a sort; `sorted` points into them.
struct SortBuffers {
  Tensor memory, counts;
  Sorted sorted;
};

SortBuffers sort_by_id(const Tensor& ids, int64_t V) {
  const int64_t N = ids.elements(), tiles = (N + kTile - 1) / kTile;
  CHECK(N <= INT32_MAX && V < INT32_MAX, "embedding: ", N, " ids of ", V, " rows are too many for 32 bits");
  SortBuffers result{Tensor::empty({4, N}, DType::i32, Device::cuda),
                     Tensor::empty({kDigits, tiles}, DType::i32, Device::cuda),
                     {}};
  auto* memory = result.memory.device_data<int32_t>();
  Sorted from{memory, memory + N}, to{memory + 2 * N, memory + 3 * N};
  auto* counts = result.counts.device_data<int32_t>();
  constexpr auto kShared = static_cast<int64_t>(sizeof(int32_t)) * kWarps * kDigits;
  launch(begin_sort_kernel, {(N + kThreads - 1) / kThreads}, kThreads, 0, ids.device_data<int32_t>(), from, N,
         static_cast<int32_t>(V));
  for (int shift = 0; V >> shift > 0; shift += 8) {
    launch(count_kernel, {tiles}, kThreads, kShared, from.ids, N, shift, counts);
    launch(exclusive_sum_kernel, {1}, kThreads, static_cast<int64_t>(sizeof(int32_t)) * kWarps, counts,
           kDigits * tiles);
    launch(move_kernel, {tiles}, kThreads, kShared, from, to, N, shift, counts);
    std::swap(from, to);
  }
  result.sorted = from;
  return result;
}

// How the sorted list is cut, and what is not written: ids from V on, and `padding`.
struct Stretches {
  int64_t N, size, D, V, padding;

  __device__ int64_t begin(int64_t stretch) const { return stretch * size; }
  __device__ int64_t end(int64_t stretch) const { return begin(stretch + 1) < N ? begin(stretch + 1) : N; }
  __device__ bool wanted(int64_t id) const { return id < V && id != padding; }
};

// A thread adds up one column of one stretch. Runs that lie inside go to the table; the run that began before
// goes to partial[stretch][0], one that begins here and goes on behind to partial[stretch][1].
template <class T, class S>
__global__ void add_stretch_kernel(Sorted sorted, Stretches s, Accumulator<T> factor, const T* dy, S* table,
                                   Accumulator<T>* partial) {
  using A = Accumulator<T>;
  const int64_t column = int64_t{blockIdx.y} * blockDim.x + threadIdx.x, stretch = blockIdx.x;
  if (column >= s.D) return;
  const int64_t begin = s.begin(stretch), end = s.end(stretch);
  bool from_before = begin > 0 && sorted.ids[begin - 1] == sorted.ids[begin];
  A sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    const int32_t id = sorted.ids[i];
    if (s.wanted(id)) sum += static_cast<A>(dy[sorted.positions[i] * s.D + column]);
    const bool last = i + 1 == s.N || sorted.ids[i + 1] != id;
    if (!last && i + 1 < end) continue;
    if (from_before) {
      partial[(2 * stretch) * s.D + column] = sum;
    } else if (!last) {
      partial[(2 * stretch + 1) * s.D + column] = sum;
    } else if (s.wanted(id)) {
      table[id * s.D + column] = static_cast<S>(factor * sum);
    }
    from_before = false;
    sum = 0;
  }
}

// Where a run begins in this stretch and goes on behind it, adds what it left in all of its stretches.
template <class T, class S>
__global__ void join_stretches_kernel(Sorted sorted, Stretches s, Accumulator<T> factor,
                                      const Accumulator<T>* partial, S* table) {
  using A = Accumulator<T>;
  const int64_t column = int64_t{blockIdx.y} * blockDim.x + threadIdx.x, first = blockIdx.x;
  const int64_t begin = s.begin(first), end = s.end(first);
  if (column >= s.D || end == s.N) return;
  const int32_t id = sorted.ids[end - 1];
  const bool begins_here = begin == 0 || sorted.ids[begin - 1] != id;
  if (sorted.ids[end] != id || !begins_here || !s.wanted(id)) return;
  A sum = partial[(2 * first + 1) * s.D + column];
  for (int64_t stretch = first + 1;; ++stretch) {
    sum += partial[2 * stretch * s.D + column];
    const int64_t next = s.end(stretch);
    if (next == s.N || sorted.ids[next] != id) break;
  }
  table[id * s.D + column] = static_cast<S>(factor * sum);
}

// table[v] = factor times the sum of dy's rows n with ids[n] = v. T is dy's element type, S the table's.
template <class T, class S>
void add_up(const Tensor& ids, double factor, int64_t padding, const Tensor& dy, Tensor& table) {
  using A = Accumulator<T>;
  constexpr int64_t kLeast = 32, kMostStretches = 1024;
  table.fill_zero();
  const int64_t N = ids.elements(), D = table.dim(1);
  if (N == 0 || D == 0) return;
  const SortBuffers buffers = sort_by_id(ids, table.dim(0));
  const int64_t size = std::max(kLeast, (N + kMostStretches - 1) / kMostStretches);
  const int64_t count = (N + size - 1) / size;
  const Stretches stretches{N, size, D, table.dim(0), padding};
  const Tensor partial = Tensor::empty({count, 2, D}, DTypeOf<A>::value, Device::cuda);
  const int64_t threads = std::min<int64_t>(kThreads, (D + kWarp - 1) / kWarp * kWarp);
  const lf::cuda::Grid grid{count, (D + threads - 1) / threads};
  launch(add_stretch_kernel<T, S>, grid, static_cast<int>(threads), 0, buffers.sorted, stretches,
         static_cast<A>(factor), dy.device_data<T>(), table.device_data<S>(), partial.device_data<A>());
  launch(join_stretches_kernel<T, S>, grid, static_cast<int>(threads), 0, buffers.sorted, stretches,
         static_cast<A>(factor), partial.device_data<A>(), table.device_data<S>());
}

}  // namespace

void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() { look_up<Accumulator<T>, T>(table, ids, factor, y); });
}

void embedding_backward(const Tensor& ids, double factor, int64_t padding, const Tensor& dy, Tensor& dtable) {
  visit_float(dy.dtype(), [&]<class T>() { add_up<T, Accumulator<T>>(ids, factor, padding, dy, dtable); });
}

void select_rows(const Tensor& x, const Tensor& rows, Tensor& y) {
  visit_float(x.dtype(), [&]<class T>() { look_up<T, T>(x, rows, 1.0, y); });
}

void select_rows_backward(const Tensor& rows, const Tensor& dy, Tensor& dx) {
  visit_float(dy.dtype(), [&]<class T>() { add_up<T, T>(rows, 1.0, -1, dy, dx); });
}

}  // namespace lf::kernels::cuda
