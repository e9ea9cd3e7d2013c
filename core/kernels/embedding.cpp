// Table look-up y[n] = factor table[ids[n]], selection of rows, and their gradients, without atomics: what
// came from one row is added in order.
#include <algorithm>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

void check_ids(const char* who, const Tensor& ids, int64_t rows) {
  const int32_t* id = ids.data<int32_t>();
  for (int64_t n = 0; n < ids.elements(); ++n) {
    CHECK(id[n] >= 0 && id[n] < rows, who, ": id ", id[n], " at position ", n, " is outside the table's ",
          rows, " rows");
  }
}

// Token positions grouped by id, in order: those of id v are order[start[v]] ... order[start[v + 1] - 1].
struct Grouped {
  std::vector<int64_t> start, order;
};

// While they are grouped, where the next one of each id goes is known too.
int64_t grouping_bytes(const Tensor& ids, int64_t rows) {
  return static_cast<int64_t>(sizeof(int64_t)) * (2 * rows + 1 + ids.elements());
}

Grouped group_by_id(const Tensor& ids, int64_t rows) {
  const ScratchCount counted(grouping_bytes(ids, rows));
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

// table[v] = factor times the sum of dy's rows n with ids[n] = v; the row `padding` gets zeros. T is dy's
// element type, S the table's.
template <class T, class S>
void add_up(const Tensor& ids, double factor, int64_t padding, const Tensor& dy, Tensor& table) {
  using A = Accumulator<T>;
  const int64_t D = table.dim(1);
  const Grouped groups = group_by_id(ids, table.dim(0));
  const A f = static_cast<A>(factor);
  parallel_for(table.dim(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(D));
    for (int64_t v = begin; v < end; ++v) {
      std::fill(sum.begin(), sum.end(), A{0});
      const int64_t last = v == padding ? 0 : groups.start[static_cast<size_t>(v + 1)];
      for (int64_t k = groups.start[static_cast<size_t>(v)]; k < last; ++k) {
        const T* in = dy.data<T>() + groups.order[static_cast<size_t>(k)] * D;
        for (int64_t i = 0; i < D; ++i) sum[static_cast<size_t>(i)] += static_cast<A>(in[i]);
      }
      S* out = table.data<S>() + v * D;
      for (int64_t i = 0; i < D; ++i) out[i] = static_cast<S>(f * sum[static_cast<size_t>(i)]);
    }
  });
}

}  // namespace

namespace cpu {

void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  check_ids("embedding", ids, table.dim(0));
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

void embedding_backward(const Tensor& ids, double factor, int64_t padding, const Tensor& dy, Tensor& dtable) {
  visit_float(dy.dtype(), [&]<class T>() { add_up<T, Accumulator<T>>(ids, factor, padding, dy, dtable); });
}

void select_rows(const Tensor& x, const Tensor& rows, Tensor& y) {
  check_ids("select_rows", rows, x.dim(0));
  const int64_t D = x.dim(1);
  const int32_t* row = rows.data<int32_t>();
  visit_float(x.dtype(), [&]<class T>() {
    parallel_for(rows.elements(), 64, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) std::copy_n(x.data<T>() + row[n] * D, D, y.data<T>() + n * D);
    });
  });
}

void select_rows_backward(const Tensor& rows, const Tensor& dy, Tensor& dx) {
  visit_float(dy.dtype(), [&]<class T>() { add_up<T, T>(rows, 1.0, -1, dy, dx); });
}

}  // namespace cpu

void embedding(const Tensor& table, const Tensor& ids, double factor, Tensor& y) {
  LF_DISPATCH(y.device(), embedding, table, ids, factor, y);
}
void embedding_backward(const Tensor& ids, double factor, int64_t padding, const Tensor& dy, Tensor& dtable) {
  plan_scratch(dy.device(),
               [&](Device d) { return d == Device::cpu ? grouping_bytes(ids, dtable.dim(0)) : 0; });
  LF_DISPATCH(dy.device(), embedding_backward, ids, factor, padding, dy, dtable);
}
void select_rows(const Tensor& x, const Tensor& rows, Tensor& y) {
  LF_DISPATCH(x.device(), select_rows, x, rows, y);
}
void select_rows_backward(const Tensor& rows, const Tensor& dy, Tensor& dx) {
  plan_scratch(dy.device(), [&](Device d) { return d == Device::cpu ? grouping_bytes(rows, dx.dim(0)) : 0; });
  LF_DISPATCH(dy.device(), select_rows_backward, rows, dy, dx);
}

}  // namespace lf::kernels
