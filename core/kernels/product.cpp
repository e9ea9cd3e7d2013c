#include "core/kernels/product.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/kernels/amx.h"
#include "core/kernels/few_rows.h"
#include "core/parallel.h"
#include "core/storage.h"

namespace lf::kernels {
namespace {

// oneDNN 2.6 picks AMX on virtual machines too that do not let it run, and dies with SIGILL. The cap only
// counts before the first call of any kind; a cap that the user set stays.
void cap_instructions() {
  static const bool done = [] {
    const bool chosen = std::getenv("ONEDNN_MAX_CPU_ISA") || std::getenv("DNNL_MAX_CPU_ISA");
    if (!chosen && !amx_runs()) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
    return true;
  }();
  static_cast<void>(done);
}

// What oneDNN does with small tiles on this processor.
SmallTiles small_tiles() {
  static const bool before_avx512 = dnnl::get_effective_cpu_isa() < dnnl::cpu_isa::avx512_core;
  return before_avx512 ? SmallTiles::in_place : SmallTiles::packed;
}

// Calls f(tile) for every tile, in parallel; within f, oneDNN has one thread. Then throws what f threw.
template <class F>
void for_each_tile(const ProductTiles& tiles, F&& f) {
  parallel_tasks(tiles.count(), [&](int64_t i) {
    omp_set_num_threads(1);  // of what begins inside; ends with the loop
    f(tiles[i]);
  });
}

// Of the partial sums where K is cut into pieces.
int64_t sums_bytes(const Product& p) {
  const int64_t pieces = ProductTiles(p, small_tiles()).pieces();
  return pieces == 1 ? 0 : pieces * p.M * p.N * static_cast<int64_t>(sizeof(float));
}

// Gives `multiply_tile` for each tile where its result goes. Pieces of K are summed apart and added in order.
template <class Result, class F>
void multiply_tiles(const Product& p, Result* c, F&& multiply_tile) {
  const ProductTiles tiles(p, small_tiles());
  if (tiles.pieces() == 1) {
    for_each_tile(tiles, [&](const ProductTile& t) { multiply_tile(t, c + t.row * p.N + t.column); });
    return;
  }
  const int64_t elements = p.M * p.N;
  const ScratchCount counted(sums_bytes(p));
  const auto sums = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(tiles.pieces() * elements));
  for_each_tile(tiles, [&](const ProductTile& t) {
    multiply_tile(t, sums.get() + t.piece * elements + t.row * p.N + t.column);
  });
  parallel_for(elements, 1 << 13, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float sum = sums[i];
      for (int64_t piece = 1; piece < tiles.pieces(); ++piece) sum += sums[piece * elements + i];
      c[i] = static_cast<Result>(sum);
    }
  });
}

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// What oneDNN compiles a tile of bf16 for.
struct TileShape {
  int64_t rows, columns, depth, stride_a, stride_b, stride_c;
  bool transpose_a, transpose_b, float_result;
  bool operator==(const TileShape&) const = default;
};

struct CompiledTile {
  dnnl::memory::desc a, b, c, scratch;
  dnnl::matmul run;
};

CompiledTile compile(const TileShape& shape) {
  using dnnl::memory;
  const auto layout = [](int64_t rows, int64_t columns, int64_t stride, bool transposed) {
    return memory::desc({rows, columns}, memory::data_type::bf16,
                        transposed ? memory::dims{1, stride} : memory::dims{stride, 1});
  };
  const auto result_type = shape.float_result ? memory::data_type::f32 : memory::data_type::bf16;
  CompiledTile result{layout(shape.rows, shape.depth, shape.stride_a, shape.transpose_a),
                      layout(shape.depth, shape.columns, shape.stride_b, shape.transpose_b),
                      memory::desc({shape.rows, shape.columns}, result_type, memory::dims{shape.stride_c, 1}),
                      {},
                      {}};
  // Several threads run it at once, each with memory of its own.
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(engine(), result.a, result.b, result.c, attributes);
#else
  const dnnl::matmul::desc operation(result.a, result.b, result.c);
  const dnnl::matmul::primitive_desc description(operation, attributes, engine());
#endif
  result.scratch = description.scratchpad_desc();
  result.run = dnnl::matmul(description);
  return result;
}

// Before AVX-512 oneDNN has no bf16 product at all.
bool multiplies_bf16() {
  static const bool works = [] {
    try {
      compile({16, 16, 16, 16, 16, 16, false, false, false});
      return true;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return works;
}

// Compiling generates code, so what was used lately is kept.
class CompiledTiles {
 public:
  std::shared_ptr<const CompiledTile> get(const TileShape& shape) {
    if (auto known = find(shape)) return known;
    auto made = std::make_shared<const CompiledTile>(compile(shape));
    const std::lock_guard lock(mutex_);
    entries_.emplace_front(shape, made);
    if (entries_.size() > kMost) entries_.pop_back();
    return made;
  }

 private:
  static constexpr size_t kMost = 256;

  std::shared_ptr<const CompiledTile> find(const TileShape& shape) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& entry) { return entry.first == shape; });
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return found->second;
  }

  std::mutex mutex_;
  std::list<std::pair<TileShape, std::shared_ptr<const CompiledTile>>> entries_;  // the latest first
};

void run(const CompiledTile& tile, const bf16* a, const bf16* b, void* c) {
  const auto wrap = [](const dnnl::memory::desc& desc, const void* data) {
    return dnnl::memory(desc, engine(), const_cast<void*>(data));
  };
  thread_local std::vector<uint8_t> scratch;
  if (scratch.size() < tile.scratch.get_size()) scratch.resize(tile.scratch.get_size());
  dnnl::stream stream(engine());
  tile.run.execute(stream, {{DNNL_ARG_SRC, wrap(tile.a, a)},
                            {DNNL_ARG_WEIGHTS, wrap(tile.b, b)},
                            {DNNL_ARG_DST, wrap(tile.c, c)},
                            {DNNL_ARG_SCRATCHPAD, wrap(tile.scratch, scratch.data())}});
  stream.wait();
}

// The float copies that stand for bf16 operands, and for a bf16 result.
int64_t widened_bytes(const Product& p, bool wide_result) {
  const int64_t elements = p.M * p.K + p.K * p.N + (wide_result ? 0 : p.M * p.N);
  return elements * static_cast<int64_t>(sizeof(float));
}

// bf16 through float copies.
void multiply_widened(const Product& p, const bf16* a, const bf16* b, float* c) {
  const auto widened = [](const bf16* from, int64_t count) {
    std::vector<float> to(static_cast<size_t>(count));
    parallel_for(count, 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[static_cast<size_t>(i)] = static_cast<float>(from[i]);
    });
    return to;
  };
  const ScratchCount counted(widened_bytes(p, true));
  multiply(p, widened(a, p.M * p.K).data(), widened(b, p.K * p.N).data(), c);
}
void multiply_widened(const Product& p, const bf16* a, const bf16* b, bf16* c) {
  const ScratchCount counted(widened_bytes(p, false) - widened_bytes(p, true));
  std::vector<float> wide(static_cast<size_t>(p.M * p.N));
  multiply_widened(p, a, b, wide.data());
  parallel_for(p.M * p.N, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) c[i] = bf16(wide[static_cast<size_t>(i)]);
  });
}

// oneDNN takes no matrix without elements; a sum of no terms is zero.
bool is_empty(const Product& p) { return p.M * p.N * p.K == 0; }

// Result is bf16 or float.
template <class Result>
void multiply_bf16(const Product& p, const bf16* a, const bf16* b, Result* c) {
  if (is_empty(p)) {
    std::fill_n(c, p.M * p.N, Result(0.0f));
    return;
  }
  cap_instructions();
  if (!multiplies_bf16()) return multiply_widened(p, a, b, c);
  static CompiledTiles compiled;
  multiply_tiles(p, c, [&]<class Out>(const ProductTile& t, Out* out) {
    const TileShape shape{t.rows,        t.columns,     t.depth,
                          p.stride_a(),  p.stride_b(),  p.N,
                          p.transpose_a, p.transpose_b, std::is_same_v<Out, float>};
    run(*compiled.get(shape), a + t.offset_a(p), b + t.offset_b(p), out);
  });
}

}  // namespace

void multiply(const Product& p, const float* a, const float* b, float* c) {
  if (is_empty(p)) {
    std::fill_n(c, p.M * p.N, 0.0f);
    return;
  }
  if (has_few_rows(p)) return multiply_few_rows(p, a, b, c);
  cap_instructions();
  multiply_tiles(p, c, [&](const ProductTile& t, float* out) {
    const dnnl_status_t status =
        dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', t.rows, t.columns, t.depth, 1.0f,
                   a + t.offset_a(p), p.stride_a(), b + t.offset_b(p), p.stride_b(), 0.0f, out, p.N);
    CHECK(status == dnnl_success, "linear: oneDNN's sgemm of ", p.M, " x ", p.N, " x ", p.K,
          " failed with status ", static_cast<int>(status));
  });
}

void multiply(const Product& p, const double* a, const double* b, double* c) {
  parallel_for(p.M, 8, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      double* row = c + m * p.N;
      std::fill_n(row, p.N, 0.0);
      for (int64_t k = 0; k < p.K; ++k) {
        const double x = p.transpose_a ? a[k * p.M + m] : a[m * p.K + k];
        if (p.transpose_b) {
          for (int64_t n = 0; n < p.N; ++n) row[n] += x * b[n * p.K + k];
        } else {
          for (int64_t n = 0; n < p.N; ++n) row[n] += x * b[k * p.N + n];
        }
      }
    }
  });
}

void multiply(const Product& p, const bf16* a, const bf16* b, float* c) { multiply_bf16(p, a, b, c); }
void multiply(const Product& p, const bf16* a, const bf16* b, bf16* c) { multiply_bf16(p, a, b, c); }

int64_t product_scratch(const Product& p, DType operands, DType result) {
  if (operands == DType::f64 || is_empty(p)) return 0;
  if (operands == DType::f32 && has_few_rows(p)) return few_rows_scratch(p);
  cap_instructions();
  const bool widens = operands == DType::bf16 && !multiplies_bf16();
  return sums_bytes(p) + (widens ? widened_bytes(p, result == DType::f32) : 0);
}

}  // namespace lf::kernels
