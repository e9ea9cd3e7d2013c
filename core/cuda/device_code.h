// What kernels are written in, beyond plain CUDA C++: shared memory, tensor-core products, asynchronous
// copies, packed bf16. Under nvcc these are PTX instructions (PTX ISA 8.0, sections 9.7.8 and 9.7.14); the
// host executor of tests/simt defines the same functions for one fiber per thread.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace lf::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// The block's dynamic shared memory, 16-byte aligned.
__device__ std::byte* shared_memory();

// D += A B for one 16 x 8 x 16 product of bf16 with f32 sums (mma.sync.m16n8k16, row-major A, column-major
// B). Lane l holds, with g = l / 4 and c = 2 (l % 4): A rows {g, g + 8} x columns {c, c + 1, c + 8, c + 9} as
// a[0] (g; c), a[1] (g + 8; c), a[2] (g; c + 8), a[3] (g + 8; c + 8); B rows {c, c + 1} and {c + 8, c + 9} of
// column g as b[0], b[1]; D (g; c), (g; c + 1), (g + 8; c), (g + 8; c + 1).
__device__ void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

// Four 8 x 8 matrices of 16-bit elements from shared memory (ldmatrix.x4). Lanes 8 m .. 8 m + 7 give the
// addresses of the rows of matrix m, 16 bytes each, aligned; lane l gets elements 2 (l % 4), 2 (l % 4) + 1 of
// row l / 4 of each. Transposed: of column l / 4.
__device__ void load_matrices(uint32_t (&matrices)[4], const void* row);
__device__ void load_matrices_transposed(uint32_t (&matrices)[4], const void* row);

// Copies 16 bytes to shared memory while the thread goes on, or zeros where `valid` is false (cp.async); both
// addresses are aligned to 16 bytes. The bytes are there for the thread itself after wait_for_copies, for
// others after a barrier behind that.
__device__ void copy_async(void* shared, const void* global, bool valid);
__device__ void commit_copies();  // ends a group of copies
template <int Pending>
__device__ void wait_for_copies();  // until at most `Pending` of the thread's newest groups are under way

// Two floats rounded to bf16, `low` in the lower half.
__device__ uint32_t pack_bf16(float low, float high);

// 2^x to about 2 units in the last place; subnormal results are zero.
__device__ float exp2_fast(float x);

#ifdef __CUDACC__

__device__ inline std::byte* shared_memory() {
  extern __shared__ __align__(16) std::byte dynamic_shared_memory[];
  return dynamic_shared_memory;
}

__device__ inline void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ inline void load_matrices(uint32_t (&matrices)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ inline void load_matrices_transposed(uint32_t (&matrices)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ inline void copy_async(void* shared, const void* global, bool valid) {
  const int bytes = valid ? 16 : 0;  // what is not read is filled with zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)), "l"(global),
               "r"(bytes)
               : "memory");
}

__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }

template <int Pending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
}

__device__ inline uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

__device__ inline float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(result) : "f"(x));
  return result;
}

#endif

// The bf16 in each half, as floats.
__device__ inline float low_float(uint32_t packed) { return __uint_as_float(packed << 16); }
__device__ inline float high_float(uint32_t packed) { return __uint_as_float(packed & 0xffff0000u); }

// The sum, or the largest, of a warp's values, the same in every lane.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}
template <class T>
__device__ inline T warp_max(T value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kAllLanes, value, step);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace lf::cuda
