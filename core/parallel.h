// Loops over CPU threads (OpenMP).
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

namespace lf {

// Calls f(begin, end) on disjoint pieces of [0, count), in parallel when there are more than `grain` items.
// Pieces depend on the number of threads: f must not reduce across items (see kReductionChunks for that).
template <class F>
void parallel_for(int64_t count, int64_t grain, F&& f) {
  if (count <= grain) {
    if (count > 0) f(int64_t{0}, count);
    return;
  }
  const int64_t pieces = (count + grain - 1) / grain;
#pragma omp parallel for schedule(static)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    f(piece * grain, std::min(count, (piece + 1) * grain));
  }
}

// Calls f(i) for every i below count, in parallel, each as soon as a thread is free. Throws what one of them
// threw, once all are done.
template <class F>
void parallel_tasks(int64_t count, F&& f) {
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic) if (count > 1)
  for (int64_t i = 0; i < count; ++i) {
    try {
      f(i);
    } catch (...) {
#pragma omp critical(longform_parallel_tasks)
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

// Sums over rows are cut into at most this many pieces, whatever the number of threads, and the pieces are
// added in order: so the bits of the result do not depend on the machine's core count.
inline constexpr int64_t kReductionChunks = 64;

struct Chunks {
  int64_t count, size;
};
inline Chunks reduction_chunks(int64_t rows, int64_t least_rows) {
  const int64_t size = std::max(least_rows, (rows + kReductionChunks - 1) / kReductionChunks);
  return {(rows + size - 1) / size, size};
}

}  // namespace lf
