// Elements in groups of one 16-byte access, and loops over the rows of a matrix, for kernels bound by memory.
#pragma once

#include "core/cuda/device_code.h"

namespace lf::cuda {

// As many elements as one memory access moves at best.
template <class T>
struct alignas(16) Vector {
  static constexpr int kCount = static_cast<int>(16 / sizeof(T));
  T values[kCount];
};

inline bool aligned_for_vectors(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

// The elements from[0 ... Count) as accumulators; those from `left` on are zero. `aligned`: see above.
template <int Count, class T>
__device__ inline void load_group(const T* from, int64_t left, bool aligned, Accumulator<T> (&to)[Count]) {
  constexpr int kVector = Vector<T>::kCount;
  static_assert(Count % kVector == 0);
  if (aligned && left >= Count) {
    for (int v = 0; v < Count / kVector; ++v) {
      const Vector<T> vector = reinterpret_cast<const Vector<T>*>(from)[v];
      for (int i = 0; i < kVector; ++i) to[v * kVector + i] = static_cast<Accumulator<T>>(vector.values[i]);
    }
    return;
  }
  for (int i = 0; i < Count; ++i) to[i] = i < left ? static_cast<Accumulator<T>>(from[i]) : Accumulator<T>{0};
}

// The way back; nothing is written from `left` on.
template <int Count, class T>
__device__ inline void store_group(const Accumulator<T> (&from)[Count], int64_t left, bool aligned, T* to) {
  constexpr int kVector = Vector<T>::kCount;
  static_assert(Count % kVector == 0);
  if (aligned && left >= Count) {
    for (int v = 0; v < Count / kVector; ++v) {
      Vector<T> vector;
      for (int i = 0; i < kVector; ++i) vector.values[i] = static_cast<T>(from[v * kVector + i]);
      reinterpret_cast<Vector<T>*>(to)[v] = vector;
    }
    return;
  }
  for (int i = 0; i < Count; ++i) {
    if (i < left) to[i] = static_cast<T>(from[i]);
  }
}

// Calls f(i, value) for those elements of a row that belong to `thread` of the `threads` that share it, in an
// order that depends on nothing but the row's address modulo 16, C and `threads`.
template <class T, class F>
__device__ inline void for_row(const T* row, int64_t C, int thread, int threads, F&& f) {
  constexpr int kVector = Vector<T>::kCount;
  const auto misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T));
  const int64_t before = misaligned == 0 ? 0 : kVector - misaligned;
  const int64_t head = before < C ? before : C;
  const int64_t vectors = (C - head) / kVector;
  if (thread < head) f(int64_t{thread}, static_cast<Accumulator<T>>(row[thread]));
  const auto* middle = reinterpret_cast<const Vector<T>*>(row + head);
  for (int64_t v = thread; v < vectors; v += threads) {
    const Vector<T> vector = middle[v];
    for (int i = 0; i < kVector; ++i)
      f(head + v * kVector + i, static_cast<Accumulator<T>>(vector.values[i]));
  }
  const int64_t tail = head + vectors * kVector + thread;
  if (tail < C) f(tail, static_cast<Accumulator<T>>(row[tail]));
}

// out[i] = f(i, row[i]) for every element, shared like for_row. `out` may be `row`.
template <class T, class To, class F>
__device__ inline void map_row(const T* row, int64_t C, int thread, int threads, To* out, F&& f) {
  constexpr int kVector = Vector<T>::kCount;
  if constexpr (sizeof(T) == sizeof(To)) {
    const auto address = reinterpret_cast<uintptr_t>(row);
    if (address % 16 == reinterpret_cast<uintptr_t>(out) % 16) {
      const auto misaligned = static_cast<int64_t>(address % 16 / sizeof(T));
      const int64_t before = misaligned == 0 ? 0 : kVector - misaligned;
      const int64_t head = before < C ? before : C;
      const int64_t vectors = (C - head) / kVector;
      if (thread < head)
        out[thread] = static_cast<To>(f(int64_t{thread}, static_cast<Accumulator<T>>(row[thread])));
      for (int64_t v = thread; v < vectors; v += threads) {
        const Vector<T> in = reinterpret_cast<const Vector<T>*>(row + head)[v];
        Vector<To> result;
        for (int i = 0; i < kVector; ++i) {
          result.values[i] =
              static_cast<To>(f(head + v * kVector + i, static_cast<Accumulator<T>>(in.values[i])));
        }
        reinterpret_cast<Vector<To>*>(out + head)[v] = result;
      }
      const int64_t tail = head + vectors * kVector + thread;
      if (tail < C) out[tail] = static_cast<To>(f(tail, static_cast<Accumulator<T>>(row[tail])));
      return;
    }
  }
  for (int64_t i = thread; i < C; i += threads) {
    out[i] = static_cast<To>(f(i, static_cast<Accumulator<T>>(row[i])));
  }
}

}  // namespace lf::cuda
