// The host executor's side of core/cuda/device_code.h: what each instruction does to all 32 lanes, as the PTX
// ISA documents it.

#include "core/cuda/device_code.h"

#include <cmath>

namespace lf::cuda {
namespace {

float bf16_at(const uint32_t* words, int element) {
  const uint32_t word = words[element / 2];
  return element % 2 == 0 ? low_float(word) : high_float(word);
}

struct Product {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

void multiply_all(const simt::WarpArguments& lanes) {
  float A[16][16], B[16][8];
  const auto lane_of = [&](int lane) { return static_cast<Product*>(lanes[static_cast<size_t>(lane)]); };
  for (int lane = 0; lane < kWarp; ++lane) {
    const int group = lane / 4, column = 2 * (lane % 4);
    for (int i = 0; i < 8; ++i) {  // element i is half i % 2 of register i / 2
      const int reg = i / 2;
      A[group + 8 * (reg % 2)][column + i % 2 + 8 * (reg / 2)] = bf16_at(lane_of(lane)->a, i);
    }
    for (int i = 0; i < 4; ++i) B[column + i % 2 + 8 * (i / 2)][group] = bf16_at(lane_of(lane)->b, i);
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      float sum = lane_of(lane)->d[i];
      for (int k = 0; k < 16; ++k) sum += A[row][k] * B[k][column];
      lane_of(lane)->d[i] = sum;
    }
  }
}

struct Load {
  uint32_t* matrices;
  const void* row;
  bool transposed;
};

void load_all(const simt::WarpArguments& lanes) {
  const auto lane_of = [&](int lane) { return static_cast<Load*>(lanes[static_cast<size_t>(lane)]); };
  const auto element = [&](int matrix, int row, int column) {
    return static_cast<uint32_t>(static_cast<const uint16_t*>(lane_of(8 * matrix + row)->row)[column]);
  };
  for (int lane = 0; lane < kWarp; ++lane) {
    for (int m = 0; m < 4; ++m) {
      const int row = lane / 4, column = 2 * (lane % 4);
      const bool t = lane_of(lane)->transposed;
      const uint32_t low = t ? element(m, column, row) : element(m, row, column);
      const uint32_t high = t ? element(m, column + 1, row) : element(m, row, column + 1);
      lane_of(lane)->matrices[m] = low | high << 16;
    }
  }
}

void check_row(const void* row) {
  const auto* begin = simt::shared_memory();
  const auto* at = static_cast<const std::byte*>(row);
  if (at < begin || at + 16 > begin + simt::shared_bytes()) simt::fail("ldmatrix: outside shared memory");
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) simt::fail("ldmatrix: the address is not aligned to 16");
}

}  // namespace

std::byte* shared_memory() { return simt::shared_memory(); }

void multiply_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Product mine{d, a, b};
  simt::meet("mma", &mine, &multiply_all);
}

void load_matrices(uint32_t (&matrices)[4], const void* row) {
  check_row(row);
  Load mine{matrices, row, false};
  simt::meet("ldmatrix", &mine, &load_all);
}

void load_matrices_transposed(uint32_t (&matrices)[4], const void* row) {
  check_row(row);
  Load mine{matrices, row, true};
  simt::meet("ldmatrix.trans", &mine, &load_all);
}

void copy_async(void* shared, const void* global, bool valid) { simt::copy_later(shared, global, valid); }
void commit_copies() { simt::commit_copies(); }
template <int Pending>
void wait_for_copies() {
  simt::wait_for_copies(Pending);
}
template void wait_for_copies<0>();
template void wait_for_copies<1>();
template void wait_for_copies<2>();
template void wait_for_copies<3>();

uint32_t pack_bf16(float low, float high) {
  return uint32_t{bf16::round(low)} | uint32_t{bf16::round(high)} << 16;
}

float exp2_fast(float x) { return x < -126.0f ? 0.0f : std::exp2(x); }

}  // namespace lf::cuda
