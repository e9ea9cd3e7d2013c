// Table look-up y[n] = factor table[ids[n]] and its gradient, without atomics: the tokens of each id are
// added in order.
#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

void check_ids(const Tensor& ids, int64_t rows) {
  const int32_t* id = ids.data<int32_t>();
  for (int64_t n = 0; n < ids.elements(); ++n) {
    CHECK(id[n] >= 0 && id[n] < rows, "embedding: id ", id[n], " at position ", n, " is outside the table's ",
          rows, " rows");
  }
}

// Token positions grouped by id, in order: those of id v are order[start[v]] ... order[start[v + 1] - 1].
struct Grouped {
  std::vector<int64_t> start, order;
};

Grouped group_by_id(const Tensor& ids, int64_t rows) {
  const int32_t* id = ids.data<int32_t>();
  Grouped result{std::vector<int64_t>(static_cast<size_t>(rows + 1), 0),
                 std::vector<int64_t>(static_cast<size_t>(ids.elements()))};
  for (int64_t n = 0; n < ids.elements(); ++n) ++result.start[static_cast<size_t>(id[n] + 1)];
  for (size_t v = 1; v < result.start.size(); ++v) result.start[v] += result.start[v - 1];
  std::vector<int64_t> next(result.start.begin(), result.start.end() - 1);
  for (int64_t n = 0; n < ids.elements(); ++n) {
    result.order[static_cast<size_t>(next[static_cast<size_t>(id[n])]++)] = n;
  }
  return result;
}

}  // namespace

namespace cpu {

void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  check_ids(ids, table.dim(0));
  const int64_t D = table.dim(1);
  const int32_t* id = ids.data<int32_t>();
  visit_float(y.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const A f = static_cast<A>(factor);
    parallel_for(ids.elements(), 64, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const A* row = table.data<A>() + id[n] * D;
        T* out = y.data<T>() + n * D;
        for (int64_t i = 0; i < D; ++i) out[i] = static_cast<T>(f * row[i]);
      }
    });
  });
}

void embedding_backward(const Tensor& ids, double factor, const Tensor& dy, Tensor& dtable) {
  const int64_t D = dtable.dim(1);
  const Grouped groups = group_by_id(ids, dtable.dim(0));
  visit_float(dy.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const A f = static_cast<A>(factor);
    parallel_for(dtable.dim(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t v = begin; v < end; ++v) {
        A* sum = dtable.data<A>() + v * D;
        std::fill_n(sum, D, A{0});
        for (int64_t k = groups.start[static_cast<size_t>(v)]; k < groups.start[static_cast<size_t>(v + 1)];
             ++k) {
          const T* in = dy.data<T>() + groups.order[static_cast<size_t>(k)] * D;
          for (int64_t i = 0; i < D; ++i) sum[i] += static_cast<A>(in[i]);
        }
        for (int64_t i = 0; i < D; ++i) sum[i] *= f;
      }
    });
  });
}

}  // namespace cpu

void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  LF_DISPATCH(y.device(), embedding, table, ids, factor, y);
}
void embedding_backward(const Tensor& ids, double factor, const Tensor& dy, Tensor& dtable) {
  LF_DISPATCH(dy.device(), embedding_backward, ids, factor, dy, dtable);
}

}  // namespace lf::kernels
